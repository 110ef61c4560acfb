"""Columns that are recognized, and what is refused, on files as users have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.data.importing.convert import Converted, converted
from bench.data.importing.formats import open_table
from bench.data.importing.options import ImportOptions
from bench.data.importing.roles import ITEM, TIME, TITLE, USER, Role
from bench.errors import BenchError

EVENTS = "user,item,time\nann,tea,5\nbob,cup,6\n"


@pytest.fixture
def convert(tmp_path: Path) -> Any:
    """Convert the texts of two files."""

    def convert(
        interactions: str, items: str | None = None, names: tuple[str, str] = ("x.csv", "y.csv"), **options: Any
    ) -> Converted:
        (tmp_path / names[0]).write_text(interactions, encoding="utf-8")
        if items is not None:
            (tmp_path / names[1]).write_text(items, encoding="utf-8")
        tables = open_table(tmp_path / names[0]), None if items is None else open_table(tmp_path / names[1])
        return converted(*tables, ImportOptions(**options))

    return convert


def column(data: Converted, name: str) -> list[Any]:
    found: list[Any] = data.interactions[name].to_pylist()
    return found


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (USER, ["user_id", "user", "userId", "USERID", "uid", "User ID", "reviewerID"]),
        (ITEM, ["item_id", "item", "itemId", "asin", "parent_asin", "movieId", "product_id"]),
        (TIME, ["timestamp", "time", "date", "Timestamp", "unixReviewTime", "datetime"]),
        (TITLE, ["title", "name", "text", "Title", "movie_title"]),
    ],
)
def test_usual_names_are_recognized(role: Role, names: list[str]) -> None:
    assert all(role.recognizes(name) for name in names)
    assert not any(role.recognizes(name) for name in ("rating", "id", "username", "review_title", ""))


def test_columns_are_named_by_the_user_or_recognized(convert: Any) -> None:
    data = convert("who,sku,when\nann,tea,5\n", columns={"user": "who", "item": "sku", "time": "when"})
    assert (column(data, "user_id"), column(data, "item_id"), column(data, "timestamp")) == (["ann"], ["tea"], [5])
    assert data.remarks[0] == "x.csv (CSV): user = who, item = sku, time = when"
    assert convert(EVENTS).remarks == (
        "x.csv (CSV): user = user, item = item, time = time",
        "times: Unix seconds, 1970-01-01 to 1970-01-01 (column time)",
        "note: all times are in 1970; if time counts steps, give it with --position-column",
    )


def test_an_ambiguous_column_is_refused_until_it_is_chosen(convert: Any) -> None:
    text = "user_id,asin,parent_asin,timestamp\nann,tea,drinks,5\n"
    with pytest.raises(BenchError) as refused:
        convert(text)
    assert str(refused.value).endswith(
        "x.csv, line 1: asin and parent_asin could each be the item; choose one with --item-column."
    )
    assert column(convert(text, columns={"item": "parent_asin"}), "item_id") == ["drinks"]


def test_the_names_of_the_generic_format_come_first_and_the_others_are_told(convert: Any) -> None:
    data = convert("user_id,uid,item_id,timestamp,date\nann,1,tea,5,2024-01-01\n")
    assert column(data, "user_id") == ["ann"]
    assert data.remarks[0] == "x.csv (CSV): user = user_id (not uid), item = item_id, time = timestamp (not date)"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": "usr"}, r"no column 'usr' for --user-column; found user, item, time\. Did you mean user\?"),
        ({"user": "item"}, "column 'item' cannot be both the user and the item"),
        ({"user": "none"}, "the user is required, so --user-column cannot be none"),
        ({"rating": "time"}, "Unknown role of a column 'rating'"),
        ({"time": "none"}, "no column states the order of interactions"),
        ({"title": "name"}, "no column 'name' for --title-column"),
    ],
)
def test_a_wrong_column_is_refused(convert: Any, columns: dict[str, str], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        convert(EVENTS, columns=columns)


def test_titles_of_reviews_can_be_left_out(convert: Any) -> None:
    text = "user_id,asin,timestamp,title\nann,tea,5,Great\nbob,tea,6,Bad\n"
    with pytest.raises(
        BenchError, match=r"line 3: item 'tea' has a second title in title, 'Bad' after 'Great'; .* none"
    ):
        convert(text)
    assert convert(text, columns={"title": "none"}).items is None


def test_items_of_another_file_are_matched_by_their_own_column(convert: Any) -> None:
    data = convert("user,movieId,time\nann,7,5\n", "id;name;genres\n7;Alien;Horror\n8;;Drama\n")
    assert {name: list(values.to_pylist()) for name, values in data.items.items()} == {
        "item_id": ["7", "8"],
        "title": ["Alien", ""],
        "categories": ["Horror", "Drama"],
    }
    assert data.remarks[1] == "y.csv (CSV separated by semicolons): item = id, title = name, category = genres"


def test_items_without_a_common_id_are_refused(convert: Any) -> None:
    with pytest.raises(BenchError, match="none of these items has interactions; '7' here, 'tea' in"):
        convert(EVENTS, "item,name\n7,Alien\n")


def test_the_order_within_a_second_is_that_of_the_milliseconds(convert: Any) -> None:
    rows = [(1_700_000_000_900, "c"), (1_700_000_000_100, "a"), (1_700_000_000_500, "b")]
    data = convert("user,item,time\n" + "".join(f"ann,{item},{time}\n" for time, item in rows))
    assert column(data, "item_id") == ["a", "b", "c"]
    assert column(data, "timestamp") == [1_700_000_000] * 3


def test_positions_take_the_place_of_times(convert: Any) -> None:
    data = convert("user,item,step\nann,tea,2\nann,cup,1\n", columns={"position": "step"})
    assert column(data, "position") == [2, 1]
    assert data.remarks[-1] == "order: positions"
    with pytest.raises(BenchError, match=r"x\.csv, line 3: step is '', expected a whole number"):
        convert("user,item,step\nann,tea,2\nann,cup,\n", columns={"position": "step"})


def test_rows_without_a_time_need_unordered(convert: Any) -> None:
    text = 'user,item,time\nann,"a\nb",5\n\nann,cup,\n'.replace("a\nb", "tea")
    with pytest.raises(BenchError, match=r"x\.csv, line 4: no time, as in 1 of 2 rows; with --unordered, such rows"):
        convert(text)
    assert column(convert(text, unordered=True), "timestamp") == [5, -1]
    assert column(convert("user,item\nann,tea\n", unordered=True), "item_id") == ["tea"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", r"x\.csv, line 1: the file is empty"),
        ("x.csv", "user,item,time\n", r"x\.csv, line 1: no rows"),
        ("x.csv", "user,item,time\nann,tea\n", r"x\.csv, line 2: 2 fields, expected 3"),
        ("x.csv", 'user,item,time\nann,"te"a,5\n', r"x\.csv, line 2: a double quote out of place"),
        ("x.tsv", "user\titem\ttime\n\ttea\t5\n", r"x\.tsv, line 2: user is empty"),
        ("x.jsonl", '{"user": "a", "item": "b", "time": 1}\n{"user"\n', r"x\.jsonl, line 2: not a JSON object"),
        ("x.jsonl", '{"user": "a", "item": "b", "time": 1}\n[1]\n', r"x\.jsonl, line 2: an array, expected one JSON"),
        ("x.json", '[\n{"user": "a"}]\n', r"x\.json, line 1: not a JSON object; write one object per line"),
        ("x.jsonl", '{"user": "a", "item": {}, "time": 1}\n', r"line 1: item has the wrong type: dict"),
        ("x.jsonl", '{"user": "\\ud800", "item": "b", "time": 1}\n', "line 1: user contains half of a surrogate pair"),
        ("x.jsonl", '{"user": "a", "time": 1}\n\n{"user": "a", "item": "b"}\n', r"x\.jsonl, line 1: item is empty"),
        (
            "x.inter",
            "user_id:token\titem_id:token\ttimestamp:float\na\tb\tnoon\n",
            r"x\.inter, line 2: timestamp is 'noon'",
        ),
        ("x.parquet", "user,item,time\n", r"x\.parquet cannot be read as Parquet"),
        ("x.xlsx", "", r"x\.xlsx has the unknown ending '\.xlsx'; expected \.csv"),
    ],
)
def test_a_faulty_file_is_one_line_with_its_place(convert: Any, name: str, text: str, message: str) -> None:
    with pytest.raises(BenchError, match=message) as refused:
        convert(text, names=(name, ""))
    assert "\n" not in str(refused.value)


def test_json_lines_keep_texts_and_numbers_as_they_are(convert: Any) -> None:
    rows = [
        {"user": "0012", "item": 7, "time": "2024-01-31", "genres": ["Horror", "Drama"]},
        {"user": "2024-01-01", "item": 8, "time": "2024-02-01T12:00:00+01:00"},
    ]
    data = convert("".join(json.dumps(row) + "\n\n" for row in rows), names=("x.jsonl", ""))
    assert (column(data, "user_id"), column(data, "item_id")) == (["0012", "2024-01-01"], ["7", "8"])
    assert column(data, "timestamp") == [1_706_659_200, 1_706_785_200]
    assert data.items is not None
    assert data.items["categories"].to_pylist() == ["Horror|Drama", ""]


def test_quotes_in_a_tsv_are_text_where_they_enclose_no_field(convert: Any) -> None:
    data = convert('user\titem\ttime\ttitle\nann\ttea\t5\t6" plate\n', names=("x.tsv", ""))
    assert data.items is not None
    assert data.items["title"].to_pylist() == ['6" plate']
    assert data.remarks[0].startswith("x.tsv (TSV, double quotes read as text)")


def test_recbole_s_titles_end_in_the_year(convert: Any) -> None:
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    data = convert(
        "user_id:token\titem_id:token\ttimestamp:float\n1\t7\t881250949.0\n",
        header + "7\tAlien\t1979\tHorror Sci-Fi\n8\t\t1980\t\n",
        names=("x.inter", "x.item"),
    )
    assert data.items is not None
    assert data.items["title"].to_pylist() == ["Alien (1979)", ""]
    assert data.items["categories"].to_pylist() == ["Horror|Sci-Fi", ""]
    assert column(data, "timestamp") == [881_250_949]
