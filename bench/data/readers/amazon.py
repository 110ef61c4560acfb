"""Read Amazon reviews of 2014 (``reviews_X_5.json.gz``, ``meta_X.json.gz``) and 2018 (``X_5.json.gz``, same meta name).

Reviews are one JSON object per line in both. Meta lines are JSON in 2018 and Python literals in 2014; the literals are
read with :func:`ast.literal_eval`, which runs no code. The official meta files list some items twice; the first title
and the first category path are used.
"""

from __future__ import annotations

import ast
import html
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.data.events import UNKNOWN_TIME, Events, ItemFacts, coded, folded, id_fault
from bench.data.source_files import SourceFile, numbered_lines
from bench.errors import BenchError

LITERAL_ITEM = re.compile(rb"'asin': '([^']+)'")
JSON_ITEM = re.compile(rb'"asin": ?"([^"]+)"')
CATEGORY_SEPARATOR = " > "
SCRIPT_MARK = "getTime"
"""Some titles of 2018 are a piece of the shop page's script; they are treated as missing."""
LARGEST_TIME = 2**63 - 1

Parse = Callable[[str], Any]


def read_reviews(file: SourceFile) -> Events:
    """Read reviews of either year; every review counts as one event, regardless of its stars."""
    users: list[str] = []
    items: list[str] = []
    times: list[int] = []
    for number, line in numbered_lines(file):
        review = _parsed(line, json.loads, file, number)
        try:
            # With interned ids, the lists of a large file need one pointer per review.
            users.append(sys.intern(_id_of(review, "reviewerID")))
            items.append(sys.intern(_id_of(review, "asin")))
            times.append(_time_of(review))
        except ValueError as error:
            raise BenchError(f"{file}, line {number}: {error}.") from error
    return Events(coded(users), coded(items), np.array(times, dtype=np.int64))


def read_items_2014(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read titles and the first category path of the ``wanted`` items from Python-literal lines."""
    return _items(file, wanted, LITERAL_ITEM, ast.literal_eval)


def read_items_2018(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read titles and the category path of the ``wanted`` items from JSON lines."""
    return _items(file, wanted, JSON_ITEM, json.loads)


def _items(file: SourceFile, wanted: frozenset[str], item_pattern: re.Pattern[bytes], parse: Parse) -> ItemFacts:
    facts = ItemFacts()
    for number, line in numbered_lines(file):
        # The meta files list many times more items than were reviewed; parsing only reviewed ones saves minutes.
        found = item_pattern.search(line)
        if found is None or b"\\" in found[1] or found[1].decode("utf-8", "replace") in wanted:
            record = _parsed(line, parse, file, number)
            try:
                _note_item(record, facts, wanted)
            except ValueError as error:
                raise BenchError(f"{file}, line {number}: {error}.") from error
    return facts


def _note_item(record: dict[str, Any], facts: ItemFacts, wanted: frozenset[str]) -> None:
    item = _id_of(record, "asin")
    if item not in wanted:
        return
    title = _text_of(record.get("title") or "", "title")
    if title and SCRIPT_MARK not in title:
        facts.titles.setdefault(item, title)
    path = _category_path(record)
    if path:
        facts.categories.setdefault(item, CATEGORY_SEPARATOR.join(path))


def _category_path(record: dict[str, Any]) -> list[str]:
    path = record.get("category")
    if not path:
        paths = record.get("categories") or [[]]
        path = paths[0] if isinstance(paths, list) else None
    if not isinstance(path, list):
        raise ValueError("the categories are not a list")
    return [_text_of(part, "category") for part in path]


def _id_of(record: dict[str, Any], field: str) -> str:
    if field not in record:
        raise ValueError(f"field '{field}' is missing")
    value = record[field]
    if not isinstance(value, str):
        raise ValueError(f"{field} has the wrong type: {type(value).__name__}, expected text")
    fault = id_fault(value)
    if fault:
        raise ValueError(f"{field} {fault}")
    return value


def _time_of(review: dict[str, Any]) -> int:
    value = review.get("unixReviewTime", UNKNOWN_TIME)
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("unixReviewTime has the wrong type, expected a whole number of seconds") from None
    if abs(seconds) > LARGEST_TIME:
        raise ValueError("unixReviewTime is no time, expected a whole number of 64 bits")
    return seconds


def _text_of(value: Any, field: str) -> str:
    """Return a text with entities decoded and white space folded; lone surrogates become U+FFFD."""
    if isinstance(value, list | dict | tuple | set | bytes) or value is None:
        raise ValueError(f"a {field} has the wrong type: {type(value).__name__}, expected text")
    text = folded(html.unescape(str(value)))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parsed(line: bytes, parse: Parse, file: SourceFile, number: int) -> dict[str, Any]:
    try:
        record = parse(line.decode("utf-8"))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise BenchError(f"{file}, line {number}: not a valid record.") from error
    if not isinstance(record, dict):
        raise BenchError(f"{file}, line {number}: found {type(record).__name__}, expected a record in braces.")
    return record
