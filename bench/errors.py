"""User errors: one line that says what is wrong, what was expected and what to do next."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from typing import Any

LONGEST_SHOWN = 60
"""Characters of a value that an error message repeats."""

LONGEST_LINE = 1200
"""Maximum number of characters of a message that are shown; the middle of a longer message is left out."""

LEAST_SIMILARITY = 0.6
"""Similarity from which a known name is suggested, as computed by :mod:`difflib`."""

SHORTEST_PART = 4
"""Characters from which a part of a known name suggests it."""


class BenchWarning(UserWarning):
    """Something a user should know about that does not stop the command."""


class BenchError(Exception):
    """A user error or missing input; the command line prints it in one line and exits with 2.

    Args:
        message: What is wrong, what was expected and what to do, in one line.
        choices: A small table to choose from, which the command line prints below the message.
    """

    def __init__(self, message: str = "", choices: str = "") -> None:
        super().__init__(message)
        self.choices = choices
        if choices:
            self.add_note(choices)  # a notebook prints notes below the error


def one_line(text: str) -> str:
    """Return a message as one line of printable characters, white space collapsed and the middle cut if too long."""
    shown = printable(" ".join(text.split()))
    if len(shown) <= LONGEST_LINE:
        return shown
    return f"{shown[: LONGEST_LINE * 3 // 4]} … {shown[-LONGEST_LINE // 4 :]}"


def unbroken(text: str) -> str:
    """Return a text, such as a shell command, without line breaks and control characters, and otherwise unchanged."""
    return printable(" ".join(text.splitlines()))


def printable(text: str) -> str:
    """Return a text that is safe to print to a terminal.

    Control characters and characters that change the writing direction are escaped; line breaks are kept.
    """
    return "".join(_escaped(sign) if _controls(sign) else sign for sign in text)


def _controls(sign: str) -> bool:
    return sign != "\n" and unicodedata.category(sign) in ("Cc", "Cf", "Cs")


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def near_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` of the ``known`` names that are most similar to ``name``, in any case.

    Names that contain ``name`` as a part count as similar as well, after those that are spelled alike.
    """
    names = {one.lower(): one for one in sorted(known, reverse=True)}
    wanted = name.lower()
    near = difflib.get_close_matches(wanted, sorted(names), n=limit, cutoff=LEAST_SIMILARITY)
    near += [one for one in sorted(names) if len(wanted) >= SHORTEST_PART and wanted in one and one not in near]
    return [names[one] for one in near[:limit]]


def canonical_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that equals ``name``, or else the only one that does so in another case, or else ``name``.

    Names are written in lower case, and a user may write ``SASRec``.
    """
    names = list(known)
    if name in names:
        return name
    alike = [one for one in names if one.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name


def did_you_mean(name: Any, known: Iterable[Any]) -> str:
    """Return `` Did you mean x or y?`` with a leading space, or an empty string if no known name is similar."""
    near = near_names(str(name), map(str, known))
    return f" Did you mean {' or '.join(near)}?" if near else ""


def unknown_name(kind: str, name: str, known: Iterable[str], command: str) -> BenchError:
    """Return the error for an unknown name: similar names, and the command that lists all names."""
    return BenchError(f"Unknown {kind} '{name}'.{did_you_mean(name, known)} See '{command}'.")


def shown(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Return a text from a file or argument for display on one line: control characters escaped, a long end cut off."""
    start = "".join(sign if sign.isprintable() else _escaped(sign) for sign in text[:longest])
    return start + "…" if len(text) > longest else start
