"""The data that readers return: events in file order and facts about items, before any filtering."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.arrow import text_column

UNKNOWN_TIME = -1
"""Marks a missing timestamp, also in files."""
GENRE_SEPARATOR = "|"
"""Separates the genres in an item's category text."""


@dataclass(frozen=True, eq=False)
class Coded:
    """A column of ids: row ``i`` contains ``ids[codes[i]]``."""

    codes: NDArray[np.int64]
    """Index into ``ids`` of each row, shape (n_rows,)."""
    ids: Any
    """Arrow column of the distinct ids, in order of first appearance."""


@dataclass(frozen=True, eq=False)
class Events:
    """Interactions in the order of the file; repeated (user, item) events are all kept."""

    users: Coded
    """User of each event."""
    items: Coded
    """Item of each event."""
    timestamps: NDArray[np.int64] | None = None
    """Unix seconds, :data:`UNKNOWN_TIME` if missing; None if the source has no such column."""
    positions: NDArray[np.int64] | None = None
    """Order within a user, which takes precedence over timestamps if the source has it."""

    def __len__(self) -> int:
        return len(self.users.codes)


@dataclass(frozen=True)
class ItemFacts:
    """Titles and categories by item id; items without one are left out."""

    titles: dict[str, str] = field(default_factory=dict)
    """Title of each item that has one."""
    categories: dict[str, str] = field(default_factory=dict)
    """Category text of each item that has one."""


def coded(values: Sequence[str]) -> Coded:
    """Number the values of a column in order of first appearance."""
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(value, len(numbers)) for value in values), np.int64, len(values))
    return Coded(codes, text_column(list(numbers)))


def id_fault(value: str) -> str:
    """Return what is wrong with an id, or an empty string.

    A valid id has at least one character, and no line break, control character or lone surrogate.
    """
    if not value:
        return "is empty"
    if value.isprintable():
        return ""
    refused = next((sign for sign in value if unicodedata.category(sign) in ("Cc", "Cs")), "")
    return f"contains {refused!a}; control characters are not allowed in ids" if refused else ""


def folded(text: str) -> str:
    """Replace each run of white space with one space and strip the ends."""
    return " ".join(text.split())
