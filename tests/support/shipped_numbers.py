"""Compare written tables with shipped ones: words and integers exactly, other numbers within a tolerance."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from bench.files.rounding import P_VALUES

RELATIVE = 2e-9
"""Two units of the tenth significant digit, since rounding may amplify a difference in the last bits."""
RELATIVE_OF_P = 2e-5
"""The same for the sixth digit of p-values."""
ABSOLUTE = 1e-12
"""Tolerance for the difference of two equal numbers."""


def differences(written: Any, shipped: Any, place: str = "") -> list[str]:
    """Return where two JSON-like values differ, with both sides."""
    if isinstance(written, dict) and isinstance(shipped, dict) and list(written) == list(shipped):
        return [line for key in written for line in differences(written[key], shipped[key], f"{place}.{key}")]
    if isinstance(written, list) and isinstance(shipped, list) and len(written) == len(shipped):
        pairs = enumerate(zip(written, shipped, strict=True))
        return [line for number, pair in pairs for line in differences(*pair, f"{place}[{number}]")]
    if isinstance(written, float) and isinstance(shipped, float):
        relative = RELATIVE_OF_P if place.rpartition(".")[2] in P_VALUES else RELATIVE
        is_same = math.isclose(written, shipped, rel_tol=relative, abs_tol=ABSOLUTE)
    else:
        is_same = type(written) is type(shipped) and written == shipped
    return [] if is_same else [f"{place}: {written!r}, shipped {shipped!r}"]


def differences_of_json(written: str, shipped: str) -> list[str]:
    """Compare two JSON texts."""
    return differences(json.loads(written), json.loads(shipped))


def differences_of_csv(written: str, shipped: str) -> list[str]:
    """Compare two CSV texts with headers, field by field."""
    return differences(_rows(written), _rows(shipped))


def differences_of_text(written: str, shipped: str) -> list[str]:
    """Compare two texts line by line; printed numbers have so few digits that they are the same everywhere."""
    return differences(written.splitlines(), shipped.splitlines())


def _rows(text: str) -> list[dict[str, Any]]:
    return [{name: _number(field) for name, field in row.items()} for row in csv.DictReader(io.StringIO(text))]


def _number(field: str) -> Any:
    """Return a field with a decimal point or an exponent as a number, any other unchanged."""
    try:
        return float(field) if "." in field or "e" in field else field
    except ValueError:
        return field
