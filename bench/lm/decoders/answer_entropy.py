"""Select the tokens of an answer that count in the entropy of a decoder's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bench.lm.prompts.shared import SEPARATOR

EntropyScope = Literal["first_title", "each_title"]


def leading_positions(pieces: Sequence[str], k: int, scope: EntropyScope) -> list[int]:
    """Return the positions of the first ``k`` tokens of an answer, or of each title in it.

    ``pieces`` are the decoded tokens; a title ends with the piece that contains the separator.
    """
    if scope == "first_title":
        return list(range(min(k, len(pieces))))
    positions, within = [], 0
    for position, piece in enumerate(pieces):
        if within < k:
            positions.append(position)
        within = 0 if SEPARATOR in piece else within + 1
    return positions
