"""Provenance of a result besides its spec: the versions of data, candidates, backbone and code.

A spec names a dataset, a backbone and a method, whose contents can change. A record contains the versions, so that a
stored run is only reused while they are unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.files.revisions import UNDER_WORK, UNKNOWN_SOURCE, Revision

UNKNOWN = "unknown"
"""Marks a version that is missing from a record, because older records did not contain it."""
SHOWN_DIGITS = 6
"""Number of digits of a hash shown in messages."""


@dataclass(frozen=True)
class Provenance:
    """The versions of what a spec names."""

    data: Mapping[str, str]
    """Content hash of each prepared dataset by name, for the target and the sources."""
    candidates: str
    """Content hash of the candidate lists, or of the catalogue in full ranking."""
    backbone: str | None
    """Revision of the language model with its tokenizer; None for a method without one."""
    revisions: Mapping[str, Revision]
    """Revision of the code of the ``method`` and of the ``protocol``."""

    @property
    def is_complete(self) -> bool:
        """Whether all versions are known."""
        return UNKNOWN not in (*self.data.values(), *self.revisions.values())


@dataclass(frozen=True)
class Difference:
    """A difference from what a stored run was made from."""

    text: str
    """Short description."""
    is_known: bool = True
    """Whether it is known to have changed; false if the record does not contain its version."""


def differences(stored: Provenance, now: Provenance) -> Iterator[Difference]:
    """Yield the differences from a stored run, for the parts that ``now`` contains."""
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
    """Return a short form of a revision or a hash."""
    if isinstance(content, int):
        return f"revision {content}"
    text = str(content)
    start = len(UNDER_WORK) if text.startswith(UNDER_WORK) else 0
    return text[: start + SHOWN_DIGITS]
