"""Determine from its validation curve whether a training converged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.plugin import Ending

CHECKS_WITHOUT_GAIN = 5
"""Consecutive checks without improvement for a training to count as converged."""
EPOCHS_WITHOUT_GAIN = 1.0
"""Epochs that those checks must cover, so that many checks within one epoch are not enough."""

IN_WORDS: dict[Ending, str] = {
    "rising": "validation was still rising",
    "budget": "the training budget ran out",
    "unknown": "there was no validation",
    "converged": "validation had stopped rising",
}
"""Descriptions of the endings."""


def ending(
    validation: Sequence[float], epoch_of_check: Sequence[float] | None = None, undecayed_until: float = math.inf
) -> Ending:
    """Return why a training ended, based on the metric at each check.

    Args:
        validation: The validation metric at each check, larger is better.
        epoch_of_check: Epochs completed at each check; None if there is one check after each epoch.
        undecayed_until: The last epoch at the full learning rate; later checks are ignored.
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


def gain_of_second_half(validation: Sequence[float], epoch_of_check: Sequence[float] | None = None) -> float | None:
    """Return by how much the best check of the second half of a training exceeds that of the first; at least 0.

    It is what doubling the budget gained, from half of the epochs to all of them. None if a half has no check.

    Args:
        validation: The validation metric at each check, larger is better.
        epoch_of_check: Epochs completed at each check; None if there is one check after each epoch.
    """
    epochs = epoch_of_check or range(1, len(validation) + 1)
    checks = list(zip(epochs, validation, strict=True))
    first = [value for epoch, value in checks if epoch <= epochs[-1] / 2] if checks else []
    if not first or len(first) == len(checks):
        return None
    return max(validation) - max(first)


def decayed_ending(validation: Sequence[float]) -> Ending:
    """Return why a training whose learning rate decays over its whole length ended; it never counts as converged.

    A lack of improvement may then only reflect small steps, and a longer training with larger steps may be better.

    Args:
        validation: The validation metric at each check, larger is better.
    """
    found = ending(validation)
    return "budget" if found == "converged" else found
