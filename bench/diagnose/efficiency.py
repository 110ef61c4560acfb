"""What a run cost, read from its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.runs.record import RunRecord


@dataclass(frozen=True)
class Efficiency:
    """Cost of a run on the machine it ran on; None is what the record does not state."""

    users_a_second: float | None
    """Queries scored a second, once fitted."""
    fit_seconds: float | None
    """Wall seconds of the fit; one that found its model in the cache only read it."""
    trained_parameters: int | None
    """Weights that training changes."""
    peak_memory_bytes: int | None
    """Highest resident memory of the process in any phase."""


def efficiency(record: RunRecord) -> Efficiency:
    """Return the cost of a run."""
    score_seconds = record.seconds.get("score")
    return Efficiency(
        record.n_queries / score_seconds if score_seconds else None,
        record.seconds.get("fit"),
        record.fit.trained_parameters,
        max(record.peak_memory_bytes.values(), default=None),
    )
