"""Texts that spreadsheets show and do not compute."""

from __future__ import annotations

from typing import Any

BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(value: Any) -> Any:
    """Return a cell of a CSV file; a text that a spreadsheet would compute gets an apostrophe in front.

    What is no text, and a text that is a number, stay as they are.
    """
    if not isinstance(value, str) or not value.startswith(BEGINS_A_FORMULA) or _is_number(value):
        return value
    return f"'{value}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not text.startswith(("\t", "\r"))
