"""Packs: many runs in two files, for stores that are passed around rather than added to.

A pack is a folder ``packs/<name>`` with ``records.jsonl``, one record a line, and ``ranks.parquet``, whose row groups
are the runs in the same order.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.runs.rank_files import RankedQueries, write_runs
from bench.runs.record import RunRecord

PACKS = "packs"
RECORDS, RANKS = "records.jsonl", "ranks.parquet"


@dataclass(frozen=True)
class PackedRun:
    """Where a packed run is."""

    folder: Path
    number: int
    """Its line in the records, and its row group in the ranks, from 0."""
    fields: dict[str, Any]
    """The JSON object of its record."""

    @property
    def place(self) -> Path:
        """The file of its record, for messages."""
        return self.folder / RECORDS

    @property
    def ranks_path(self) -> Path:
        """The file of its ranks."""
        return self.folder / RANKS


def read_packs(results_dir: Path) -> dict[str, PackedRun]:
    """Return every packed run of a results folder by its id.

    Raises:
        BenchError: a line is no record; the message names file and line.
    """
    found = {}
    for path in sorted((results_dir / PACKS).glob(f"*/{RECORDS}")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            try:
                fields = json.loads(line)
                found[fields["id"]] = PackedRun(path.parent, number, fields)
            except (ValueError, KeyError, TypeError) as error:
                reason = f"{type(error).__name__}: {error}"
                raise BenchError(f"{path}:{number + 1} is no run record ({reason}). Restore the file.") from error
    return found


def write_pack(
    results_dir: Path, name: str, records: Sequence[RunRecord], queries_of: Callable[[str], RankedQueries]
) -> Path:
    """Write runs as a pack, in place of an earlier one of this name; return its folder.

    Args:
        results_dir: The results folder.
        name: The pack's name, such as an experiment's.
        records: The runs.
        queries_of: Returns what is stored for the queries of a run, by its id.
    """
    folder = results_dir / PACKS / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder.parent))
    try:
        lines = (json.dumps(record.to_json(), ensure_ascii=False, allow_nan=False) for record in records)
        (temporary / RECORDS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        write_runs(temporary / RANKS, (queries_of(record.id) for record in records))
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder.replace(temporary / "earlier"))
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
