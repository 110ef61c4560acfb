"""Read the cost of a run from its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.runs.record import RunRecord


@dataclass(frozen=True)
class Efficiency:
    """Cost of a run on the machine that ran it; None for values that are not in the record."""

    users_a_second: float | None
    """Queries scored per second, after fitting."""
    fit_seconds: float | None
    """Wall-clock seconds of fitting; if the model was cached, only the time to load it."""
    trained_parameters: int | None
    """Number of trained weights."""
    peak_memory_bytes: int | None
    """Maximum resident memory of the process in any phase."""


def efficiency(record: RunRecord) -> Efficiency:
    """Return the cost of a run."""
    score_seconds = record.seconds.get("score")
    return Efficiency(
        record.n_queries / score_seconds if score_seconds else None,
        record.seconds.get("fit"),
        record.fit.trained_parameters,
        max(record.peak_memory_bytes.values(), default=None),
    )
