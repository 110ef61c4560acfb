"""Write texts to CSV files so that spreadsheets show them instead of computing them."""

from __future__ import annotations

from typing import Any

BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(value: Any) -> Any:
    """Return a cell of a CSV file, with an apostrophe before a text that a spreadsheet would compute.

    Values that are not texts, and texts that are numbers, are returned unchanged.
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
