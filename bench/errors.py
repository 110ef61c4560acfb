"""User errors: one line that says what is wrong, what was expected and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST_SHOWN = 60
"""Characters of a value that an error message repeats."""


class BenchWarning(UserWarning):
    """Something that a user should know of and that stopped nothing."""


class BenchError(Exception):
    """A user error or missing input; the command line prints it in one line and exits with 2."""


def near_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` of the ``known`` names that are most similar to ``name``."""
    return difflib.get_close_matches(name, sorted(known), n=limit, cutoff=0.5)


def did_you_mean(name: Any, known: Iterable[Any]) -> str:
    """Return `` Did you mean x or y?`` with a leading space, or an empty string if no known name is similar."""
    near = near_names(str(name), map(str, known))
    return f" Did you mean {' or '.join(near)}?" if near else ""


def unknown_name(kind: str, name: str, known: Iterable[str], command: str) -> BenchError:
    """Return the error for an unknown name: similar names, and the command that lists all names."""
    return BenchError(f"Unknown {kind} '{name}'.{did_you_mean(name, known)} See '{command}'.")


def shown(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Return a text from a file or an argument fit for one line: control characters escaped, a long end left out."""
    start = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text[:longest])
    return start + "…" if len(text) > longest else start
