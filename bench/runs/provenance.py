"""What a result was made from besides its spec: data, candidates, backbone and code.

A spec names a dataset, a backbone and a method; what these names stand for changes. A record states the contents, so
that a stored run is used again only while they are what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.files.revisions import UNDER_WORK, UNKNOWN_SOURCE, Revision

UNKNOWN = "unknown"
"""Stands for a content that a record does not state: it was made before records did."""
SHOWN_DIGITS = 6
"""Digits of a hash that a message shows."""


@dataclass(frozen=True)
class Provenance:
    """The contents behind the names of a spec."""

    data: Mapping[str, str]
    """Content hash of each prepared dataset by its name, the target's and the sources'."""
    candidates: str
    """Content hash of the candidate lists, or of the catalogue in full ranking."""
    backbone: str | None
    """Revision of the language model with its tokenizer; None for a method that uses none."""
    revisions: Mapping[str, Revision]
    """Revision of the code of the ``method`` and of the ``protocol``."""

    @property
    def is_complete(self) -> bool:
        """Whether everything is stated."""
        return UNKNOWN not in (*self.data.values(), *self.revisions.values())


@dataclass(frozen=True)
class Difference:
    """Something that is not what a stored run was made from."""

    text: str
    """What it is, in a few words."""
    is_known: bool = True
    """Whether it is known to have changed; not where the record does not state it."""


def differences(stored: Provenance, now: Provenance) -> Iterator[Difference]:
    """Yield what is no longer as a stored run had it, of the parts that ``now`` states."""
    for name, content in now.data.items():
        yield from _difference(f"the data of '{name}'", stored.data.get(name, UNKNOWN), content)
    if now.candidates:
        yield from _difference("the candidate file", stored.candidates, now.candidates)
    if now.backbone is not None:
        yield from _difference("the backbone", stored.backbone or UNKNOWN, now.backbone)
    for part, revision in now.revisions.items():
        yield from _difference(f"the code of the {part}", stored.revisions.get(part, UNKNOWN), revision)


def _difference(what: str, before: Revision, now: Revision) -> Iterator[Difference]:
    if now == UNKNOWN_SOURCE:
        yield Difference(f"{what} has no source file to compare")
    elif before == UNKNOWN:
        yield Difference(f"its record does not state {what}", is_known=False)
    elif before != now:
        yield Difference(f"{what} changed ({_short(before)}, now {_short(now)})")


def _short(content: Revision) -> str:
    """Return a revision or a hash in a few signs."""
    if isinstance(content, int):
        return f"revision {content}"
    text = str(content)
    start = len(UNDER_WORK) if text.startswith(UNDER_WORK) else 0
    return text[: start + SHOWN_DIGITS]
