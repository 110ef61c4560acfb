"""Count a domain, compare with published counts, and store the counts with the runs for tables without the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.data.build import count_repeats
from bench.data.domain import Domain, normalize_title
from bench.data.events import UNKNOWN_TIME
from bench.data.names import check_name
from bench.data.prepare import card_of, load_domain
from bench.errors import BenchError
from bench.files.store import read_json, write_json

if TYPE_CHECKING:
    from bench.data.card import Card, Expected

COUNTS = ("users", "items", "interactions")
SMALLEST_TENTH = 0.05
"""Smaller percentages would be rounded to 0.0."""
STATISTICS_FOLDER = "statistics"
KEPT = ("name", "users", "items", "interactions", "density_percent", "mean_length", "untitled", "content_hash", "notes")


@dataclass(frozen=True)
class Stats:
    """Basic statistics of a dataset."""

    users: int
    """Number of users."""
    items: int
    """Number of items."""
    interactions: int
    """Number of events."""
    density: float
    """Events divided by users times items, as a fraction."""
    mean_length: float
    """Mean number of events per user."""
    untitled: int
    """Number of items without a title."""
    shared_titles: int
    """Number of items whose normalized title is shared with another item."""
    untimed_share: float
    """Fraction of the events without a timestamp."""
    repeats: int
    """Number of events that repeat an earlier (user, item) pair."""


def stats_of(domain: Domain) -> Stats:
    """Return the statistics of a domain."""
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
    """Return "equal", or by how many percent of the expected count the actual count differs."""
    if actual == expected:
        return "equal"
    share = 100 * (actual - expected) / expected
    shown = f"{share:+.1f}" if abs(share) >= SMALLEST_TENTH else f"{share:+.1g}"
    return f"differs by {shown}%"


def verdicts(stats: Stats, expected: Expected) -> dict[str, str]:
    """Return the verdict on users, items and interactions."""
    return {name: verdict(getattr(stats, name), getattr(expected, name)) for name in COUNTS}


def summary(domain: Domain, card: Card) -> dict[str, Any]:
    """Return everything that ``bench data stats`` prints, as JSON values."""
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
    """Return the path of a dataset's stored counts, which may not exist; raise BenchError for an invalid name."""
    check_name(name)
    return results_dir / STATISTICS_FOLDER / f"{name}.json"


def kept_statistics(name: str, results_dir: Path) -> dict[str, Any] | None:
    """Return the stored counts of a dataset, or None; raise BenchError if they cannot be read."""
    path = statistics_file(name, results_dir)
    if not path.exists():
        return None
    try:
        found = dict(read_json(path))
        return found | {name: int(found[name]) for name in COUNTS}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BenchError(f"{path} cannot be read ({type(error).__name__}). Remove it and count again.") from error


def count_and_keep(
    name: str, data_dir: Path | None, cache_dir: Path, results_dir: Path, progress: Callable[[str], None]
) -> None:
    """Count a dataset and store the counts in ``results_dir``; raise BenchError if its data is not available."""
    counted = summary(load_domain(name, data_dir, cache_dir, progress), card_of(name, data_dir))
    write_json(statistics_file(name, results_dir), {key: counted[key] for key in KEPT})


def _n_shared_titles(domain: Domain) -> int:
    counts = Counter(normalize_title(title) for title in domain.titles if title)
    return sum(count for count in counts.values() if count > 1)
