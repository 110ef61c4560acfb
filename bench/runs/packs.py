"""Packs: many runs in two files, for stores that are passed around rather than added to.

A pack is a folder ``packs/<name>`` with ``records.jsonl``, one record a line, and ``ranks.parquet``, whose row groups
are the runs in the same order.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.runs.rank_files import RankedQueries, write_runs

if TYPE_CHECKING:
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
                raise BenchError(f"{path}:{number + 1} is not a run record ({reason}). Restore the file.") from error
    return found


def write_packs(
    results_dir: Path, groups: Mapping[str, Sequence[RunRecord]], queries_of: Callable[[str], RankedQueries]
) -> None:
    """Write runs as packs, in place of all packs that are there.

    Args:
        results_dir: The results folder.
        groups: Name of each pack, such as an experiment's, with its runs.
        queries_of: Returns what is stored for the queries of a run, by its id.
    """
    results_dir.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{PACKS}.", dir=results_dir))
    try:
        made = temporary / PACKS
        for name, records in groups.items():
            (made / name).mkdir(parents=True)
            lines = (json.dumps(record.to_json(), ensure_ascii=False, allow_nan=False) for record in records)
            (made / name / RECORDS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            write_runs(made / name / RANKS, (queries_of(record.id) for record in records))
        if (results_dir / PACKS).exists():
            (results_dir / PACKS).replace(temporary / "earlier")
        made.replace(results_dir / PACKS)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
