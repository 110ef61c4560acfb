from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.errors import BenchError
from bench.files.yaml_fields import Document, Fields, is_yaml_file

TEXT = """\
# a comment
name: small
rows:
  - {method: bpr}
  - method: sasrec
    label: 5
"""


@pytest.fixture
def document(tmp_path: Path) -> Document:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return Document.read(path)


@pytest.mark.parametrize(
    ("keys", "line"),
    [((), 1), (("name",), 2), (("rows",), 3), (("rows", 0), 4), (("rows", 1), 5), (("rows", 1, "label"), 6)],
)
def test_a_value_has_the_line_it_stands_on(document: Document, keys: tuple[str | int, ...], line: int) -> None:
    assert document.at(keys) == f"{document.path}:{line}"


def test_what_is_missing_has_the_line_of_what_is_around_it(document: Document) -> None:
    assert document.at(("rows", 1, "params", "size")) == f"{document.path}:5"


def test_a_wrong_value_names_its_line_and_what_was_expected(document: Document) -> None:
    fields = Fields.of(document, ("rows", 1), "row 2", document.content["rows"][1], ("method", "label"))
    with pytest.raises(BenchError, match=r"small\.yaml:6: 'label' of row 2 is 5, expected some text\."):
        fields.text("label")


def test_a_name_that_is_nearly_right_brings_the_right_one(document: Document) -> None:
    fields = Fields.of(document, (), "the file", document.content, ("name", "rows"))
    with pytest.raises(BenchError, match=r"is 'small', expected smell or tall\. Did you mean smell or tall\?"):
        fields.choice("name", ("smell", "tall"), None)


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "x:\n  - {c: 1, a: 1, a: 2}\n"])
def test_a_key_given_twice_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    with pytest.raises(BenchError, match=rf"twice\.yaml:{3 if text.startswith('a') else 2}: key 'a' occurs twice"):
        Document.read(path)


def test_an_empty_file_is_an_error_that_says_what_belongs_there(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    document = Document.read(path)
    with pytest.raises(BenchError, match=r"the file is empty, expected a mapping with name, rows"):
        Fields.of(document, (), "the file", document.content, ("name", "rows"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [\n", r"Cannot read .*small\.yaml:3: while parsing a flow node .*\.$"),
        ("a: 1\nb: *c\n", r"Cannot read .*small\.yaml:2: found undefined alias"),
        ("a: \x01\n", r"Cannot read .*small\.yaml: unacceptable character"),
    ],
)
def test_what_is_not_yaml_names_the_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(text)
    with pytest.raises(BenchError, match=expected):
        Document.read(path)


@pytest.mark.parametrize("loader", ["SafeLoader", "CSafeLoader"])
def test_both_loaders_read_the_same_lines(loader: str, document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "CSafeLoader", getattr(yaml, loader))
    read = Document.read(document.path)
    assert read.content == document.content
    assert read.at(("rows", 1, "label")) == f"{document.path}:6"


def top(tmp_path: Path, text: str) -> Fields:
    path = tmp_path / "small.yaml"
    path.write_text(text)
    document = Document.read(path)
    return Fields.of(document, (), "the file", document.content, tuple(document.content))


def test_mappings_in_a_list_and_under_names_know_their_place(tmp_path: Path) -> None:
    fields = top(tmp_path, "rows:\n  - {a: 1}\nparts:\n  one:\n  two: {a: 0}\n")
    (row,) = fields.rows("rows", "row", ("a",))
    parts = fields.named("parts", "part", ("a",))
    assert (row.count("a"), list(parts), parts["one"].has("a")) == (1, ["one", "two"], False)
    with pytest.raises(BenchError, match=r"small\.yaml:5: 'a' of part 'two' is 0, expected a whole number above 0"):
        parts["two"].count("a")
    with pytest.raises(BenchError, match=r"small\.yaml:2: unknown key 'a' in row 1\. Known keys: b\."):
        fields.rows("rows", "row", ("b",))


def test_what_is_not_given_is_the_default_and_what_is_empty_is_wrong(tmp_path: Path) -> None:
    fields = top(tmp_path, "a:\nb: []\n")
    assert fields.text("c", "small") == "small"
    assert fields.choice("c", ("small", "large"), "large") == "large"
    assert fields.rows("c", "row", ("a",)) == []
    assert (fields.mapping("c"), fields.names("c"), fields.inner("c", ("a",)).values) == ({}, (), {})
    for read in (*(fields.text, fields.number, fields.mapping, fields.names), lambda key: fields.choice(key, ("b",))):
        with pytest.raises(BenchError, match=r"small\.yaml:1: 'a' of the file is None, expected"):
            read("a")
    with pytest.raises(BenchError, match=r"small\.yaml:2: 'b' is list, expected a mapping with a"):
        fields.inner("b", ("a",))


@pytest.mark.parametrize("value", ["true", ".nan", ".inf", "one", "[1]"])
def test_a_number_is_finite_and_no_truth_value(tmp_path: Path, value: str) -> None:
    fields = top(tmp_path, f"a: {value}\nb: {{c: {value}}}\n")
    assert list(fields.open("b").values) == ["c"]
    with pytest.raises(BenchError, match=r":1: 'a' .* expected a number"):
        fields.number("a")
    with pytest.raises(BenchError, match=r":2: 'c' of 'b' .* expected a number"):
        fields.open("b").number("c")


@pytest.mark.parametrize(("name", "expected"), [("small.yaml", True), ("small", False), ("other.yml", False)])
def test_a_yaml_file_is_one_that_is_there(tmp_path: Path, name: str, expected: bool) -> None:
    (tmp_path / "small.yaml").write_text("a: 1\n")
    assert is_yaml_file(str(tmp_path / name)) == expected
