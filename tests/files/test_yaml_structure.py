from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files.yaml_fields import Document, Fields
from bench.files.yaml_structure import is_one_line

LAUGH = "a: &a [x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise("abcdefghi"))


def read(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    return Document.read(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGH, "2: the alias '*a' is inside a value that has an anchor"),
        ("name: &a [*a]\n", "1: the alias '*a' is inside a value that has an anchor"),
        ("a: 1\nb: " + "[" * 3000 + "]" * 3000, "2: more than 50 nested levels"),
        ("a: " + "{b: " * 3000 + "1" + "}" * 3000, "1: more than 50 nested levels"),
        ('a: 1\nb: "x\\a"\n', "2: a text has a control character"),
        ('"x\\0y": 1\n', "1: a text has a control character"),
        ("a: 2024-99-99\n", ": month must be in 1..12"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
    ],
)
def test_a_bomb_is_one_line_and_no_wait(tmp_path: Path, text: str, told: str) -> None:
    began = time.perf_counter()
    with pytest.raises(BenchError, match=re.escape(told)) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)
    assert time.perf_counter() - began < 5


def test_an_alias_of_a_plain_value_is_read(tmp_path: Path) -> None:
    document = read(tmp_path, "first: &shared {a: 1}\nrows: [*shared, *shared]\n")
    assert document.content["rows"] == [{"a": 1}, {"a": 1}]


def test_many_aliases_of_one_long_value_are_looked_through_once(tmp_path: Path) -> None:
    long = ", ".join(f"k{number}: {number}" for number in range(3000))
    began = time.perf_counter()
    document = read(tmp_path, f"first: &shared {{{long}}}\nrows: [{', '.join(['*shared'] * 3000)}]\n")
    assert len(document.content["rows"]) == 3000
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("text", ["shop\ntouch x", "a\x1bb", "a\tb", "a\u2028b", "a\x85b", "\x00"])
def test_a_name_of_several_lines_is_none(text: str) -> None:
    assert not is_one_line(text)
    assert is_one_line("Sch\u00f6n \u2013 \U0001f600")


@pytest.mark.parametrize(
    "text",
    [
        'x: {"shop\\ntouch PWNED\\n#": {}}\n',
        'x: {name: "one\\ntwo"}\n',
        "x: {name: 2024-01-01}\n",
        "x: {name: [[1]]}\n",
        "x: {name: {a: 1}}\n",
        "x: {name: !!binary aGk=}\n",
    ],
)
def test_parameters_are_what_a_command_line_can_say(tmp_path: Path, text: str) -> None:
    document = read(tmp_path, text)
    with pytest.raises(BenchError, match=r"'x' of the file is .*, expected a mapping from names to "):
        Fields.of(document, (), "the file", document.content, ("x",)).parameters("x")


def test_plain_parameters_are_read(tmp_path: Path) -> None:
    document = read(tmp_path, "x: {a: 1, b: 0.5, c: true, d: null, e: text, f: [64, 32]}\n")
    expected = {"a": 1, "b": 0.5, "c": True, "d": None, "e": "text", "f": [64, 32]}
    assert Fields.of(document, (), "the file", document.content, ("x",)).parameters("x") == expected


def test_a_label_is_one_line_and_a_caption_may_have_more(tmp_path: Path) -> None:
    document = read(tmp_path, 'label: "one\\ntwo"\ncaption: "one\\ntwo"\nnames: ["one\\ntwo"]\n')
    fields = Fields.of(document, (), "the file", document.content, ("label", "caption", "names"))
    assert fields.text("caption", is_long=True) == "one\ntwo"
    with pytest.raises(BenchError, match="expected some text in one line"):
        fields.text("label")
    with pytest.raises(BenchError, match="expected a list of names"):
        fields.names("names")
