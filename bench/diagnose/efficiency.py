"""What a run cost, read from its record."""

from __future__ import annotations

from dataclasses import dataclass

from bench.runs.record import RunRecord

PARAMETER_FACTS = ("n_trained_parameters", "trained_parameters", "parameters")
"""Under what names a record's details state how many parameters were trained, the more exact one first."""


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
        trained_parameters(record),
        max(record.peak_memory_bytes.values(), default=None),
    )


def trained_parameters(record: RunRecord) -> int | None:
    """Return how many parameters were trained, where the record says so."""
    stated = (record.details.get(name) for name in PARAMETER_FACTS)
    return next((count for count in stated if isinstance(count, int)), None)
