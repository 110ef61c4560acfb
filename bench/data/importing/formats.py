"""Open a user's own file by its name: CSV, TSV, Parquet, JSON lines or a RecBole atomic file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bench.data.importing.delimited import open_atomic, open_csv, open_tsv
from bench.data.importing.json_lines import JsonLinesTable
from bench.data.importing.parquet import ParquetTable
from bench.data.importing.tables import OpenTable
from bench.data.source_files import SourceFile
from bench.errors import BenchError, shown

Opener = Callable[[SourceFile], OpenTable]
FORMATS: Mapping[str, Opener] = MappingProxyType(
    {
        **dict.fromkeys((".csv", ".txt"), open_csv),
        **dict.fromkeys((".tsv", ".tab"), open_tsv),
        **dict.fromkeys((".parquet", ".pq"), ParquetTable),
        **dict.fromkeys((".jsonl", ".ndjson", ".json"), JsonLinesTable),
        **dict.fromkeys((".inter", ".item"), open_atomic),
    }
)
"""Ending of a file's name -> how it is opened."""


def open_table(path: Path) -> OpenTable:
    """Open a file; its rows are read later.

    Raises:
        BenchError: the file does not exist, has another format, is damaged or has no column names.
    """
    if not path.is_file():
        raise BenchError(f"File {path} does not exist{' (it is a directory)' if path.is_dir() else ''}.")
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if ending not in FORMATS:
        raise BenchError(
            f"{path} has the unknown ending '{shown(ending)}'; expected {', '.join(FORMATS)} (texts also with .gz)."
        )
    return FORMATS[ending](SourceFile(path))
