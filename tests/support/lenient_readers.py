"""Read the rows of delimited files with only the standard library, as a reference for the readers."""

from __future__ import annotations

import csv
import io
import re


def rows_of_csv(content: bytes) -> list[tuple[str, str]]:
    """Return (user_id, item_id) of each row of a generic file."""
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    usual_limit = csv.field_size_limit(len(text) + 1)
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    finally:
        csv.field_size_limit(usual_limit)
    user, item = header.index("user_id"), header.index("item_id")
    return [(row[user], row[item]) for row in rows]


def rows_of_lines(content: bytes) -> list[tuple[str, str]]:
    """Return the first two tab-separated fields of each line."""
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    rows = [line.split("\t") for line in re.split(r"\r\n|\r|\n", text) if line]
    return [(row[0], row[1]) for row in rows]
