"""Counts of a domain: beside those that papers state, and kept with the runs for tables made without the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.data.build import count_repeats
from bench.data.domain import Domain, normalize_title
from bench.data.events import UNKNOWN_TIME
from bench.data.prepare import card_of, load_domain
from bench.files.store import read_json, write_json

if TYPE_CHECKING:
    from bench.data.card import Card, Expected

COUNTS = ("users", "items", "interactions")
SMALLEST_TENTH = 0.05
"""What is less would be rounded to 0.0."""
STATISTICS_FOLDER = "statistics"
KEPT = ("name", "users", "items", "interactions", "density_percent", "mean_length", "untitled", "content_hash", "notes")


@dataclass(frozen=True)
class Stats:
    """What a reader wants to know of a dataset before using it."""

    users: int
    """Number of users."""
    items: int
    """Number of items."""
    interactions: int
    """Number of events."""
    density: float
    """Events over users times items, as a fraction."""
    mean_length: float
    """Mean number of events of a user."""
    untitled: int
    """Items without a title."""
    shared_titles: int
    """Items whose normalized title another item has as well."""
    untimed_share: float
    """Share of the events without a timestamp."""
    repeats: int
    """Events that repeat an earlier (user, item) pair."""


def stats_of(domain: Domain) -> Stats:
    """Count a domain."""
    times = domain.timestamps
    return Stats(
        users=domain.n_users,
        items=domain.n_items,
        interactions=domain.n_interactions,
        density=domain.density,
        mean_length=domain.n_interactions / domain.n_users,
        untitled=domain.n_untitled,
        shared_titles=_n_shared_titles(domain),
        untimed_share=1.0 if times is None else float(np.mean(times == UNKNOWN_TIME)),
        repeats=count_repeats(domain),
    )


def verdict(actual: float, expected: float) -> str:
    """Say whether a count is the expected one, else by how many per cent of the expected one it differs."""
    if actual == expected:
        return "equal"
    share = 100 * (actual - expected) / expected
    shown = f"{share:+.1f}" if abs(share) >= SMALLEST_TENTH else f"{share:+.1g}"
    return f"differs by {shown} %"


def verdicts(stats: Stats, expected: Expected) -> dict[str, str]:
    """Return the verdict on users, items and interactions."""
    return {name: verdict(getattr(stats, name), getattr(expected, name)) for name in COUNTS}


def summary(domain: Domain, card: Card) -> dict[str, Any]:
    """Return all that ``bench data stats`` prints, as JSON values."""
    stats = stats_of(domain)
    return {
        "name": domain.name,
        **{name: getattr(stats, name) for name in COUNTS},
        "density_percent": round(100 * stats.density, 4),
        "mean_length": round(stats.mean_length, 2),
        "untitled": stats.untitled,
        "shared_titles": stats.shared_titles,
        "untimed_share": stats.untimed_share,
        "repeats": stats.repeats,
        "content_hash": domain.content_hash,
        "expected": [
            {"by": row.by} | {name: getattr(row, name) for name in COUNTS} | {"verdict": verdicts(stats, row)}
            for row in card.expected
        ],
        "notes": list(domain.notes),
    }


def statistics_file(name: str, results_dir: Path) -> Path:
    """Return where the counts of a dataset are kept, whether or not they are."""
    return results_dir / STATISTICS_FOLDER / f"{name}.json"


def kept_statistics(name: str, results_dir: Path) -> dict[str, Any] | None:
    """Return the kept counts of a dataset, or None."""
    path = statistics_file(name, results_dir)
    return dict(read_json(path)) if path.exists() else None


def count_and_keep(
    name: str, data_dir: Path | None, cache_dir: Path, results_dir: Path, progress: Callable[[str], None]
) -> None:
    """Count a dataset and keep the counts in ``results_dir``; raise BenchError where its data are not available."""
    counted = summary(load_domain(name, data_dir, cache_dir, progress), card_of(name, data_dir))
    write_json(statistics_file(name, results_dir), {key: counted[key] for key in KEPT})


def _n_shared_titles(domain: Domain) -> int:
    titles = [normalize_title(title) for title in domain.titles if title]
    _, counts = np.unique(np.array(titles, dtype=np.str_), return_counts=True)
    return int(counts[counts > 1].sum())
