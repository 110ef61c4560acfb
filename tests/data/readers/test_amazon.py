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
    assert events.users.ids[events.users.codes].tolist() == ["A2", "A1", "A2"]
    assert events.items.ids[events.items.codes].tolist() == ["B1", "B1", "B0"]
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
        ('{"reviewerID": "A", "asin": "B1", "unixReviewTime": "noon"}', "line 2: a field of this review"),
        ('{"reviewerID": "A", "asin": null}', "line 2: a field of this review"),
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
