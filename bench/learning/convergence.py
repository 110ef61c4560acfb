"""Whether a training was carried on until it no longer helped: read off its validation curve, so that tables say it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.plugin import Ending

CHECKS_WITHOUT_GAIN = 5
"""Checks in a row that must be no better than the best for a training to count as converged."""
EPOCHS_WITHOUT_GAIN = 1.0
"""Epochs that those checks must span, so that many checks within an epoch do not pass for patience."""

IN_WORDS: dict[Ending, str] = {
    "rising": "validation was still rising",
    "budget": "the budget ran out",
    "unknown": "nothing was checked",
    "converged": "validation had stopped rising",
}
"""Endings as a reader calls them."""


def ending(
    validation: Sequence[float], epoch_of_check: Sequence[float] | None = None, undecayed_until: float = math.inf
) -> Ending:
    """Return why a training ended, from the metric at each check.

    Args:
        validation: The validation metric at each check, larger is better.
        epoch_of_check: Epochs seen at each check; None where a check follows each epoch.
        undecayed_until: The last epoch at the full learning rate; later checks do not count.
    """
    epochs = range(1, len(validation) + 1) if epoch_of_check is None else epoch_of_check
    seen = [(epoch, value) for epoch, value in zip(epochs, validation, strict=True) if epoch <= undecayed_until]
    if not seen:
        return "unknown"
    best = max(range(len(seen)), key=lambda check: seen[check][1])
    if best == len(seen) - 1:
        return "rising"
    n_checks, n_epochs = len(seen) - 1 - best, seen[-1][0] - seen[best][0]
    return "converged" if n_checks >= CHECKS_WITHOUT_GAIN and n_epochs >= EPOCHS_WITHOUT_GAIN else "budget"


def decayed_ending(validation: Sequence[float]) -> Ending:
    """Return why a training ended whose learning rate fell to zero over its whole length: it never counts as converged.

    "No better" is then the work of small steps; a longer training with larger ones may well be better.

    Args:
        validation: The validation metric at each check, larger is better.
    """
    found = ending(validation)
    return "budget" if found == "converged" else found
