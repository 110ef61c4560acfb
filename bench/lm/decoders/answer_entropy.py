"""How sure a decoder is of an answer: the entropy of its next token, and which of an answer's tokens count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from bench.lm.prompts.shared import SEPARATOR

EntropyScope = Literal["first_title", "each_title"]


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of each row's softmax in nats, shape (n,); logits have shape (n, vocabulary)."""
    log_probabilities = logits.log_softmax(-1)
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def leading_positions(pieces: Sequence[str], k: int, scope: EntropyScope) -> list[int]:
    """Return the positions of the first ``k`` tokens of an answer, or of each title in it.

    ``pieces`` are the decoded tokens; a title ends with the piece that holds the separator.
    """
    if scope == "first_title":
        return list(range(min(k, len(pieces))))
    positions, within = [], 0
    for position, piece in enumerate(pieces):
        if within < k:
            positions.append(position)
        within = 0 if SEPARATOR in piece else within + 1
    return positions
