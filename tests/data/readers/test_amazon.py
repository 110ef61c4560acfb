from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.readers.amazon import read_items_2014, read_items_2018, read_reviews
from bench.data.source_files import SourceFile
from bench.errors import BenchError

Gzipped = Callable[[str, str], Path]


def test_reviews_are_read_in_file_order(gzipped: Gzipped) -> None:
    reviews = [
        {"reviewerID": "A2", "asin": "B1", "unixReviewTime": 20, "overall": 1.0},
        {"reviewerID": "A1", "asin": "B1", "unixReviewTime": 10},
        {"reviewerID": "A2", "asin": "B0"},
    ]
    events = read_reviews(SourceFile(gzipped("r.json.gz", "".join(json.dumps(row) + "\n" for row in reviews))))
    assert events.users.ids.take(events.users.codes).tolist() == ["A2", "A1", "A2"]
    assert events.items.ids.take(events.items.codes).tolist() == ["B1", "B1", "B0"]
    assert events.timestamps is not None
    assert events.timestamps.tolist() == [20, 10, -1]


def test_titles_of_2014_are_python_literals_with_entities_decoded(gzipped: Gzipped) -> None:
    lines = (
        "{'asin': 'B1', 'title': \"Nature's  Gate &amp; Co.\", 'categories': [['Beauty', 'Hair'], ['Other']]}\n"
        "{'asin': 'B2', 'description': 'untitled'}\n"
        "{'asin': 'B3', 'title': 'Not wanted'}\n"
    )
    facts = read_items_2014(SourceFile(gzipped("meta.json.gz", lines)), frozenset({"B1", "B2"}))
    assert facts.titles == {"B1": "Nature's Gate & Co."}
    assert facts.categories == {"B1": "Beauty > Hair"}


def test_a_literal_that_is_code_is_refused_and_never_run(gzipped: Gzipped, tmp_path: Path) -> None:
    line = f"{{'asin': 'B1', 'title': open('{tmp_path / 'made'}', 'w').name}}\n"
    with pytest.raises(BenchError, match="line 1: not a valid record"):
        read_items_2014(SourceFile(gzipped("meta.json.gz", line)), frozenset({"B1"}))
    assert not (tmp_path / "made").exists()


def test_titles_of_2018_are_json_and_script_remains_count_as_missing(gzipped: Gzipped) -> None:
    rows = [
        {"asin": "B1", "title": "A &quot;good&quot; saw", "category": ["Tools", "Saws"]},
        {"asin": "B1", "title": "second row"},
        {"asin": "B2", "title": "var aPageStart = (new Date()).getTime();"},
        {"asin": "B3", "title": "Not wanted"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    facts = read_items_2018(SourceFile(gzipped("meta.json.gz", text)), frozenset({"B1", "B2"}))
    assert facts.titles == {"B1": 'A "good" saw'}
    assert facts.categories == {"B1": "Tools > Saws"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("not json", "line 2: not a valid record"),
        ("[1]", "line 2: found list"),
        ('{"asin": "B1"}', "line 2: field 'reviewerID' is missing"),
        ('{"reviewerID": "A", "asin": "B1", "unixReviewTime": "noon"}', "line 2: unixReviewTime has the wrong type"),
        ('{"reviewerID": "A", "asin": null}', "line 2: asin has the wrong type: NoneType"),
        ('{"reviewerID": "", "asin": "B1"}', "line 2: reviewerID is empty"),
        (r'{"reviewerID": "A", "asin": "B\ud800"}', r"line 2: asin contains '\ud800'"),
        (r'{"reviewerID": "A\u0000", "asin": "B1"}', r"line 2: reviewerID contains '\x00'"),
        ('{"reviewerID": "A", "asin": "B1", "unixReviewTime": Infinity}', "line 2: unixReviewTime has the wrong type"),
        ('{"reviewerID": "A", "asin": "B1", "unixReviewTime": 1' + "0" * 30 + "}", "line 2: unixReviewTime is no time"),
        ("[" * 100_000, "line 2: not a valid record"),
    ],
)
def test_a_wrong_review_is_told_by_line(gzipped: Gzipped, line: str, expected: str) -> None:
    good = '{"reviewerID": "A", "asin": "B1", "unixReviewTime": 1}\n'
    with pytest.raises(BenchError) as caught:
        read_reviews(SourceFile(gzipped("r.json.gz", good + line + "\n")))
    assert expected in str(caught.value)


def test_a_truncated_file_is_named(gzipped: Gzipped) -> None:
    path = gzipped("r.json.gz", '{"reviewerID": "A", "asin": "B1", "unixReviewTime": 1}\n' * 500)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BenchError, match="is truncated"):
        read_reviews(SourceFile(path))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{'asin': ['B1']}", "asin has the wrong type: list, expected text"),
        ("{'asin': None}", "asin has the wrong type: NoneType"),
        ("{'title': 'B1'}", "field 'asin' is missing"),
        ("{'asin': 'B1', 'title': ['x']}", "a title has the wrong type: list"),
        ("{'asin': 'B1', 'categories': {'a': 1}}", "the categories are not a list"),
        ("{'asin': 'B1', 'categories': 7}", "the categories are not a list"),
        ("{'asin': 'B1', 'categories': [['a', None]]}", "a category has the wrong type: NoneType"),
        ("{'asin': 'B1', 'categories': [None]}", "the categories are not a list"),
        ("(" * 5_000 + ")" * 5_000, "not a valid record"),
        ("{'asin': " + "[" * 300 + "]" * 300 + "}", "not a valid record"),
    ],
)
def test_a_wrong_item_of_2014_is_told_by_line(gzipped: Gzipped, line: str, expected: str) -> None:
    path = gzipped("meta.json.gz", "{'asin': 'B1'}\n" + line + "\n")
    with pytest.raises(BenchError) as caught:
        read_items_2014(SourceFile(path), frozenset({"B1"}))
    assert f"meta.json.gz, line 2: {expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"asin": ["B1"]}', "asin has the wrong type: list, expected text"),
        ('{"asin": "B1", "category": [["a"]]}', "a category has the wrong type: list"),
        ('{"asin": "B1", "category": ["a", null]}', "a category has the wrong type: NoneType"),
        ('{"asin": "B1", "category": 7}', "the categories are not a list"),
        ("[" * 100_000, "not a valid record"),
    ],
)
def test_a_wrong_item_of_2018_is_told_by_line(gzipped: Gzipped, line: str, expected: str) -> None:
    path = gzipped("meta.json.gz", '{"asin": "B1"}\n' + line + "\n")
    with pytest.raises(BenchError) as caught:
        read_items_2018(SourceFile(path), frozenset({"B1"}))
    assert f"meta.json.gz, line 2: {expected}" in str(caught.value)


def test_an_item_listed_twice_keeps_its_first_title_and_path(gzipped: Gzipped) -> None:
    lines = "{'asin': 'B1'}\n{'asin': 'B1', 'title': 'One', 'categories': [['a']]}\n{'asin': 'B1', 'title': 'Two'}\n"
    facts = read_items_2014(SourceFile(gzipped("meta.json.gz", lines)), frozenset({"B1"}))
    assert facts.titles == {"B1": "One"}
    assert facts.categories == {"B1": "a"}


def test_an_escaped_id_is_known_and_half_characters_of_titles_are_marked(gzipped: Gzipped) -> None:
    line = r'{"asin": "B\u0031", "title": "cut \ud83d, whole \ud83d\ude00"}' + "\n"
    facts = read_items_2018(SourceFile(gzipped("meta.json.gz", line)), frozenset({"B1"}))
    assert facts.titles == {"B1": "cut \ufffd, whole \U0001f600"}
