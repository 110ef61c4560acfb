"""Keep earlier versions of a run, and remove runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.files.temporary import sweep, sync_names, synced, temporary_path

if TYPE_CHECKING:
    from bench.runs.store import RunStore


def keep_copy(folder: Path, kept: Path, record: str) -> None:
    """Copy a run's directory to the next number in ``kept``, unless the last one is a copy of it already.

    Args:
        folder: The directory of the run.
        kept: The directory of the earlier runs with its id.
        record: Name of the file in it by which copies are recognized.
    """
    sweep(kept)
    numbers = sorted(int(path.name) for path in kept.glob("[0-9]*"))
    last = kept / str(max(numbers, default=0)) / record
    if last.exists() and last.read_bytes() == (folder / record).read_bytes():
        return  # made by a process that was killed before it could continue
    place = kept / str(max(numbers, default=0) + 1)
    temporary = temporary_path(place)
    try:
        shutil.copytree(folder, temporary, ignore=shutil.ignore_patterns(".*"))
        synced(temporary)
        temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def n_superseded(store: RunStore, run_id: str) -> int:
    """Return how many earlier versions of a run are kept."""
    return sum(1 for _ in store.superseded(run_id).glob("[0-9]*"))


def check_removable(store: RunStore, run_id: str) -> None:
    """Raise BenchError if a run is packed, since a pack is distributed as a whole, or is being written."""
    if not store.path(run_id).exists():
        raise BenchError(
            f"Run {run_id} is part of a pack in {store.results_dir}, which is not changed: remove the directory of the "
            "pack to remove all of its runs."
        )
    if store.lease(run_id).is_held():
        raise _being_written(store, run_id)


def remove_run(store: RunStore, run_id: str) -> None:
    """Remove a run with its ranks and its earlier versions.

    Each directory is renamed first, so that a process that is killed leaves no part of a run behind, only a temporary
    directory that the next one removes.

    Raises:
        BenchError: it is packed, or another process is writing it.
    """
    check_removable(store, run_id)
    lease = store.lease(run_id)
    if not lease.take():
        raise _being_written(store, run_id)
    try:
        for folder in (store.superseded(run_id), store.path(run_id)):
            if folder.exists():
                _remove_whole(folder)
    finally:
        lease.release()


def _remove_whole(folder: Path) -> None:
    temporary = temporary_path(folder)
    folder.rename(temporary)
    sync_names(folder.parent)
    shutil.rmtree(temporary)
    sweep(folder.parent)


def _being_written(store: RunStore, run_id: str) -> BenchError:
    holder = store.lease(run_id).holder()
    return BenchError(f"Run {run_id} is being written by {holder}: try again when it has finished.")
