from __future__ import annotations

import pytest

from bench.data.readers import quotes
from bench.data.readers.quotes import first_stray_quote


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        'a,b\n"1","2"\n',
        '"a"',
        '"a\nb",c\r\n"",""\r"x",""""\n',
        '"say ""a"" and ""b""",1\n',
        '\ufeff"a",b\n',
    ],
)
def test_quotes_around_whole_fields_and_doubled_ones_fit(text: str) -> None:
    assert first_stray_quote(text.encode(), ",") is None


@pytest.mark.parametrize(
    ("text", "stray"),
    [
        ('a,b\n1,2\n"3,4\n5,6\n', '"3'),
        ('a,"b', '"b'),
        ('a,"b""', '"b'),
        ('a,"b" x\n"c",d\n', '"b" x'),
        ('a,b"c\n', '"c'),
        ('a,12" vinyl\n"b, c",d\n', '" vinyl'),
        ('"a","b\n"c, d",e\n', '"b\n'),
        ('a;"b";c', '"b";'),
    ],
)
def test_the_field_that_a_stray_quote_opens_is_found(text: str, stray: str) -> None:
    assert first_stray_quote(text.encode(), ",") == text.index(stray)


def test_a_tab_separates_fields_where_it_is_the_delimiter() -> None:
    assert first_stray_quote(b'a\t"b,c"\td', "\t") is None
    assert first_stray_quote(b'a\t"b,c"\td', ",") == 2


def test_a_file_of_many_pieces_is_looked_through_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "PIECE_BYTES", 7)
    text = b'"ab",cd\n' * 9
    assert first_stray_quote(text, ",") is None
    assert first_stray_quote(text + b'"', ",") == len(text)
