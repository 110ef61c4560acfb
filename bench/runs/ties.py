"""A warning where a method's scores are too coarse to tell the positive from other candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.runs.record import RunRecord

MOST_TIES = 0.01
"""Share of queries whose positive may tie with another candidate; beyond it a record carries a warning."""


def tie_warnings(record: RunRecord) -> list[str]:
    """Return the warning that a record deserves, if any; scores that are meant to tie deserve none."""
    if record.tie_rate <= MOST_TIES or ties_by_design(record):
        return []
    return [
        f"{record.spec.method}: the positive ties with another candidate in {record.tie_rate:.1%} of the queries, "
        "so its scores are too coarse and its figures drawn towards chance"
    ]


def ties_by_design(record: RunRecord) -> bool:
    """Whether equal scores are what a method means.

    A control may count, or score nothing; a written list ties all whom it does not name; the cold setting asks methods
    that know items by number for items that they never saw; a whole catalogue holds titles that read alike.
    """
    spec = record.spec
    knows_numbers_alone = record.family in ("general", "sequential")
    return (
        record.family == "control"
        or spec.ranking == "generate"
        or spec.full_ranking
        or (spec.protocol.setting == "cold" and knows_numbers_alone)
    )
