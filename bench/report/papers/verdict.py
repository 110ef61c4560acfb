"""The verdict on a figure of ours that stands beside a printed one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.learning.convergence import IN_WORDS
from bench.papers.audit import ROUNDING

if TYPE_CHECKING:
    from bench.plugin.fit_report import Ending

NEAR = 0.02
"""A figure this far below the printed one is within what one repetition differs from the next in these papers."""
WITHIN = f"within {NEAR}"
UNCONVERGED_BELOW = "below, not converged"


def verdict(ours: float | None, printed: float, reason: str = "", ended: Ending | None = None) -> str:
    """Return the verdict on a figure.

    Args:
        ours: Our figure; None where no run is stored.
        printed: The paper's.
        reason: Why the two cannot be compared; empty where they can.
        ended: Why our training ended; None where nothing was trained. A figure below the printed one says nothing of
            the method as long as training had not converged.
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
