"""Counts of datasets, kept beside the runs so that a table of them is made where there are no data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.files.store import read_json, write_json

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.plugin import ProgressHook

STATISTICS_FOLDER = "statistics"
KEPT = ("name", "users", "items", "interactions", "density_percent", "mean_length", "untitled", "content_hash", "notes")


def statistics_file(name: str, results_dir: Path) -> Path:
    """Return where the counts of a dataset are kept, whether or not they are."""
    return results_dir / STATISTICS_FOLDER / f"{name}.json"


def kept_statistics(name: str, results_dir: Path) -> dict[str, Any] | None:
    """Return the kept counts of a dataset, or None."""
    path = statistics_file(name, results_dir)
    return dict(read_json(path)) if path.exists() else None


def count_and_keep(name: str, folders: Folders, progress: ProgressHook) -> None:
    """Count a dataset and keep what was counted; raise BenchError where its data cannot be had."""
    from bench.data.counts import summary
    from bench.data.prepare import card_of, load_domain

    card = card_of(name, folders.data_dir)
    counted = summary(load_domain(name, folders.data_dir, folders.cache_dir, progress), card)
    write_json(statistics_file(name, folders.results_dir), {key: counted[key] for key in KEPT})
