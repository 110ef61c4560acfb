"""Verdicts on our scores compared with published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.learning.convergence import IN_WORDS
from bench.papers.audit import ROUNDING

if TYPE_CHECKING:
    from bench.plugin.fit_report import Ending

NEAR = 0.02
"""Differences up to this size occur between repetitions in these papers."""
WITHIN = f"within {NEAR}"
UNCONVERGED_BELOW = "below, not converged"


def verdict(ours: float | None, printed: float, reason: str = "", ended: Ending | None = None) -> str:
    """Return the verdict on one of our scores.

    Args:
        ours: Our score; None if no run is stored.
        printed: The published score.
        reason: Why the two cannot be compared; empty if they can.
        ended: Why our training ended; None if nothing was trained. A lower score is not indicative of the method if
            training did not converge.
    """
    if reason:
        return f"not comparable: {reason}"
    if ours is None:
        return "not run"
    if ours >= printed - ROUNDING:
        return "at or above"
    if ours >= printed - NEAR:
        return WITHIN
    return "below" if ended in (None, "converged") else f"{UNCONVERGED_BELOW}: {IN_WORDS[ended]}"
