"""Warn if a method's scores are too coarse to distinguish the positive from other candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.runs.record import RunRecord

MOST_TIES = 0.01
"""Maximum fraction of queries whose positive is tied with another candidate; above it, a record gets a warning."""


def tie_warnings(record: RunRecord) -> list[str]:
    """Return a warning if a record has too many ties, unless they are intended."""
    if record.tie_rate <= MOST_TIES or ties_by_design(record):
        return []
    return [
        f"{record.spec.method}: the positive ties with another candidate in {record.tie_rate:.1%} of the queries, "
        "so its scores are too coarse and its results biased towards chance"
    ]


def ties_by_design(record: RunRecord) -> bool:
    """Return whether ties are intended.

    A control that is not trained may score by counts or give constant scores. A generated list ties all candidates that
    it does not contain. In the cold setting, ID-based methods score items that they have never seen. A whole catalogue
    contains items with equal titles.
    """
    spec = record.spec
    knows_numbers_alone = record.family in ("general", "sequential")
    return (
        (record.family == "control" and record.fit.training is None)
        or spec.ranking == "generate"
        or spec.full_ranking
        or (spec.protocol.setting == "cold" and knows_numbers_alone)
    )
