"""Packs: many runs in two files, for stores that are distributed rather than extended.

A pack is a directory ``packs/<name>`` with ``records.jsonl``, one record per line, and ``ranks.parquet``, with one row
group per run in the same order.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchWarning
from bench.files.store import parse_json, write_text
from bench.files.temporary import sweep, sync_names, synced, temporary_path
from bench.runs.rank_files import RankedQueries, write_runs

if TYPE_CHECKING:
    from bench.runs.record import RunRecord

PACKS = "packs"
EARLIER_PACKS = "packs.earlier"
"""Directory of the existing packs while they are replaced by new ones."""
RECORDS, RANKS = "records.jsonl", "ranks.parquet"


@dataclass(frozen=True)
class PackedRun:
    """The location of a packed run."""

    folder: Path
    number: int
    """Its line in the records and its row group in the ranks, from 0."""
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
    """Return the packed runs of a results directory by id; an invalid record is left out with a warning."""
    found = {}
    folder = next((path for path in (results_dir / PACKS, results_dir / EARLIER_PACKS) if path.exists()), results_dir)
    for path in sorted(folder.glob(f"*/{RECORDS}")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            try:
                fields = parse_json(line.encode())
                found[fields["id"]] = PackedRun(path.parent, number, fields)
            except (ValueError, KeyError, TypeError) as error:
                reason = f"{type(error).__name__}: {error}"
                message = f"A run is left out: {path}:{number + 1} is no run record ({reason}). Restore the file."
                warnings.warn(message, BenchWarning, stacklevel=2)
    return found


def rewrite_packed(run: PackedRun, record: RunRecord) -> None:
    """Rewrite the record of a packed run; its ranks are unchanged."""
    lines = run.place.read_text(encoding="utf-8").splitlines()
    lines[run.number] = _line(record)
    write_text(run.place, "".join(f"{line}\n" for line in lines))


def write_packs(
    results_dir: Path, groups: Mapping[str, Sequence[RunRecord]], queries_of: Callable[[str], RankedQueries]
) -> None:
    """Write runs as packs, replacing all existing packs.

    Args:
        results_dir: The results directory.
        groups: Name of each pack, such as an experiment's name, with its runs.
        queries_of: Returns the stored ranks of a run by its id.
    """
    results_dir.mkdir(parents=True, exist_ok=True)
    sweep(results_dir, PACKS)
    temporary = temporary_path(results_dir / PACKS)
    try:
        made = temporary / PACKS
        made.mkdir(parents=True)
        for name, records in groups.items():
            (made / name).mkdir(parents=True)
            lines = "".join(f"{_line(record)}\n" for record in records)
            (made / name / RECORDS).write_text(lines, encoding="utf-8")
            write_runs(made / name / RANKS, (queries_of(record.id) for record in records))
        synced(made)
        _put_in_place(made, results_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(made: Path, results_dir: Path) -> None:
    """Replace all packs; the earlier ones are kept under another name until the new ones are in place."""
    packs, earlier = results_dir / PACKS, results_dir / EARLIER_PACKS
    if packs.exists():
        shutil.rmtree(earlier, ignore_errors=True)
        packs.replace(earlier)
    made.replace(packs)
    sync_names(results_dir)
    shutil.rmtree(earlier, ignore_errors=True)


def _line(record: RunRecord) -> str:
    return json.dumps(record.to_json(), ensure_ascii=False, allow_nan=False)
