from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files.yaml_fields import Document, Fields

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
    with pytest.raises(BenchError, match=rf"twice\.yaml:{3 if text.startswith('a') else 2}: key 'a' is given twice"):
        Document.read(path)


def test_an_empty_file_is_an_error_that_says_what_belongs_there(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    document = Document.read(path)
    with pytest.raises(BenchError, match=r"the file is empty, expected a mapping with name, rows"):
        Fields.of(document, (), "the file", document.content, ("name", "rows"))
