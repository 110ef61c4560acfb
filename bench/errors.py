"""Errors a user can mend: one line that says what is wrong, what was expected and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """A user's mistake or a missing input; the command line prints it as one line and exits with 2."""


def near_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` of the ``known`` names that look most like ``name``."""
    return difflib.get_close_matches(name, sorted(known), n=limit, cutoff=0.5)


def unknown_name(kind: str, name: str, known: Iterable[str], command: str) -> BenchError:
    """Build the error for a name that is not known: what is near and which command lists all names."""
    near = near_names(name, known)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return BenchError(f"Unknown {kind} '{name}'.{hint} See '{command}'.")
