"""Amazon reviews of 2014 (``reviews_X_5.json.gz``, ``meta_X.json.gz``) and 2018 (``X_5.json.gz``, same meta name).

Reviews are one JSON object a line in both. Meta lines are JSON in 2018 and Python literals in 2014; the literals are
read by :func:`ast.literal_eval`, which runs no code.
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

from bench.data.events import UNKNOWN_TIME, Events, ItemFacts, coded, folded
from bench.data.source_files import SourceFile, numbered_lines
from bench.errors import BenchError

LITERAL_ITEM = re.compile(rb"'asin': '([^']+)'")
JSON_ITEM = re.compile(rb'"asin": ?"([^"]+)"')
CATEGORY_SEPARATOR = " > "
SCRIPT_MARK = "getTime"
"""Some titles of 2018 are a piece of the shop page's script; they count as missing."""


def read_reviews(file: SourceFile) -> Events:
    """Read reviews of either year; every review counts as one event, whatever its stars."""
    users: list[str] = []
    items: list[str] = []
    times: list[int] = []
    for number, line in numbered_lines(file):
        review = _parsed(line, json.loads, file, number)
        try:
            # Interned ids keep the lists of a large file at one pointer a review.
            users.append(sys.intern(review["reviewerID"]))
            items.append(sys.intern(review["asin"]))
            times.append(int(review.get("unixReviewTime", UNKNOWN_TIME)))
        except KeyError as error:
            raise BenchError(f"{file}, line {number}: field {error} is missing from this review.") from error
        except (TypeError, ValueError) as error:
            raise BenchError(f"{file}, line {number}: a field of this review has the wrong type.") from error
    return Events(coded(users), coded(items), np.array(times, dtype=np.int64))


def read_items_2014(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read titles and the first category path of the ``wanted`` items from Python-literal lines."""
    return _items(file, wanted, LITERAL_ITEM, ast.literal_eval)


def read_items_2018(file: SourceFile, wanted: frozenset[str]) -> ItemFacts:
    """Read titles and the category path of the ``wanted`` items from JSON lines."""
    return _items(file, wanted, JSON_ITEM, json.loads)


def _items(
    file: SourceFile, wanted: frozenset[str], item_pattern: re.Pattern[bytes], parse: Callable[[str], Any]
) -> ItemFacts:
    facts = ItemFacts()
    for number, line in numbered_lines(file):
        # The meta files list many times more items than the reviews touch; parsing those alone saves minutes.
        found = item_pattern.search(line)
        if found is None or found[1].decode("utf-8", "replace") in wanted:
            _note_item(_parsed(line, parse, file, number), facts, wanted)
    return facts


def _note_item(record: dict[str, Any], facts: ItemFacts, wanted: frozenset[str]) -> None:
    item = record.get("asin", "")
    if item not in wanted:
        return
    title = folded(html.unescape(str(record.get("title") or "")))
    if title and SCRIPT_MARK not in title:
        facts.titles.setdefault(item, title)
    path = _category_path(record)
    if path:
        facts.categories.setdefault(item, CATEGORY_SEPARATOR.join(folded(html.unescape(part)) for part in path))


def _category_path(record: dict[str, Any]) -> list[str]:
    nested = record.get("categories") or [[]]
    return list(record.get("category") or nested[0])


def _parsed(line: bytes, parse: Callable[[str], Any], file: SourceFile, number: int) -> dict[str, Any]:
    try:
        record = parse(line.decode("utf-8"))
    except (ValueError, SyntaxError) as error:
        raise BenchError(f"{file}, line {number}: not a valid record.") from error
    if not isinstance(record, dict):
        raise BenchError(f"{file}, line {number}: found {type(record).__name__}, expected a record in braces.")
    return record
