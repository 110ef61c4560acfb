"""Hypothesis strategies for source files: well-formed files with their expected content, and damaged ones."""

from __future__ import annotations

import csv
import html
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from bench.data.events import Events, ItemFacts, folded
from bench.data.readers import movielens
from bench.data.source_files import SourceFile

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TOKENS = (
    *(b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\t", b"::", b":", b"|", b"\0", b"\x1b", b"\xff", b"\xef\xbb\xbf"),
    *(b"", b" ", b"-1", b"0x1F", b"1.5", b"9" * 40, b"1e999", b"inf", b"nan", b"Infinity", b"null", b"None", b"True"),
    *(
        b"'",
        b"\\",
        b"\\ud800",
        b"\\u0000",
        b"[",
        b"]",
        b"{",
        b"}",
        b"{}",
        b"[[]]",
        b"(",
        b"1,",
        b"\xc3\xa9",
        b"\xc2\x85",
    ),
    *(b"[" * 3_000, b"(" * 300, b"-" * 3_000, b"x" * 140_000),
)
ALL = frozenset(str(number) for number in range(9)) | {"tea", "café", 'a"b', "a,b", "a'b", "\u2028", "\\"}
"""Ids that events and items draw from, so that some match."""


@dataclass(frozen=True)
class Written:
    """A file's bytes and what a reader must return for them."""

    content: bytes
    expected: Any


@dataclass(frozen=True)
class Reader:
    """A reader and the files that it is tested on."""

    name: str
    """Name of its file."""
    read: Callable[[SourceFile], Any]
    """Returns plain values that can be compared with the written ones."""
    written: st.SearchStrategy[Written]
    member: str = ""
    """Path inside the file if it is an archive."""
    is_sealed: bool = False
    """Whether checksums inside the file detect every change of its content."""


@cache
def texts(*excluded: str) -> st.SearchStrategy[str]:
    """Return a strategy for texts without control characters, surrogates and byte order marks."""
    signs = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=("\ufeff", *excluded))
    return st.text(signs, max_size=5)


@cache
def ids(*excluded: str) -> st.SearchStrategy[str]:
    """Return a strategy for ids as in official files or a user's own."""
    common = sorted(name for name in ALL if not any(sign in name for sign in excluded))
    return st.sampled_from(common) | texts(*excluded).filter(bool)


def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw damaged bytes of a file: parts are removed, duplicated or replaced, one to three times."""
    for kind, first, other, token in draw(DAMAGES):
        start, end = sorted((first % (len(content) + 1), other % (len(content) + 1)))
        middle = {"insert": token, "replace": token, "cut": b"", "double": content[start:end] * 2, "flip": token[:1]}[
            kind
        ]
        after = {"insert": start, "flip": start + 1, "cut": len(content)}.get(kind, end)
        content = content[:start] + middle + content[after:]
    return content


BOOLEANS = st.booleans()
QUOTING = st.sampled_from((csv.QUOTE_ALL, csv.QUOTE_MINIMAL))
LINE_ENDS = st.sampled_from(("\n", "\r\n", "\r"))
MARKS = st.sampled_from(("", "\ufeff"))
METHODS = st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
OWN_EVENTS = st.lists(st.tuples(ids(), ids(), INTEGERS | st.none(), INTEGERS), max_size=5)
OWN_ITEMS = st.dictionaries(ids(), texts() | st.text(st.sampled_from('a ",\n'), max_size=5), max_size=5)
SECONDS = st.floats(-1e18, 1e18) | st.integers(0, 2**40) | st.none()
FLOAT_EVENTS = st.lists(st.tuples(ids(), ids(), SECONDS), max_size=5)
ATOMIC_ITEMS = st.dictionaries(ids(), st.tuples(texts(), st.sampled_from(("", "1995")), texts()), max_size=5)
RATINGS = st.lists(st.tuples(ids(":"), ids(":"), INTEGERS), min_size=1, max_size=5)
LATIN = st.text(st.characters(codec="latin-1", exclude_categories=("Cc",), exclude_characters=":|"), max_size=5)
WIDE_MOVIES = st.dictionaries(ids(":"), st.tuples(texts(":"), texts(":")), min_size=1, max_size=4)
LATIN_MOVIES = st.dictionaries(LATIN.filter(bool) | st.sampled_from("123"), st.tuples(LATIN, LATIN), min_size=1)
FLAGGED_MOVIES = st.dictionaries(st.sampled_from("0123456789"), st.tuples(LATIN, st.integers(0, 18)), min_size=1)
REVIEWS = st.lists(st.tuples(ids(), ids(), st.integers(-(2**63) + 1, 2**63 - 1) | st.none()), min_size=1, max_size=5)
PATHS = st.lists(texts() | st.just("a &amp; b"), max_size=3)
META = st.lists(st.tuples(ids(), texts() | st.none() | st.just("&quot;x&quot;"), PATHS), min_size=1, max_size=4)
PLACES = st.integers(0, 4_000)
DAMAGES = st.lists(
    st.tuples(
        st.sampled_from(("insert", "insert", "flip", "replace", "double", "cut")),
        PLACES,
        PLACES,
        st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=3,
)


def plain_events(events: Events) -> dict[str, Any]:
    """Return the columns of events as lists."""
    columns = {"users": events.users, "items": events.items}
    assert all(len(set(column.ids.tolist())) == len(column.ids) for column in columns.values())
    return {
        **{name: [column.ids[int(code)].as_py() for code in column.codes] for name, column in columns.items()},
        "timestamps": None if events.timestamps is None else events.timestamps.tolist(),
        "positions": None if events.positions is None else events.positions.tolist(),
    }


def plain_facts(facts: ItemFacts) -> tuple[dict[str, str], dict[str, str]]:
    """Return titles and categories."""
    return facts.titles, facts.categories


def _csv_bytes(draw: st.DrawFn, columns: dict[str, list[str]]) -> bytes:
    names = draw(st.permutations(tuple(columns)))
    has_breaks = any("\n" in value for values in columns.values() for value in values)
    quoting = csv.QUOTE_ALL if has_breaks else draw(QUOTING)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=quoting, lineterminator=draw(LINE_ENDS))
    writer.writerows([names, *zip(*(columns[name] for name in names), strict=True)])
    return draw(MARKS).encode() + stream.getvalue().encode()


@st.composite
def csv_interactions(draw: st.DrawFn) -> Written:
    """Interactions in the generic format."""
    rows = draw(OWN_EVENTS)
    users, items, times, positions = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    columns = {"user_id": users, "item_id": items, "extra": [str(place) for place in range(len(rows))]}
    expected: dict[str, Any] = {"users": users, "items": items, "timestamps": None, "positions": None}
    if draw(BOOLEANS):
        columns["timestamp"] = ["" if time is None else str(time) for time in times]
        expected["timestamps"] = [-1 if time is None else time for time in times]
    if draw(BOOLEANS):
        columns["position"], expected["positions"] = [str(position) for position in positions], positions
    return Written(_csv_bytes(draw, columns), expected)


@st.composite
def csv_items(draw: st.DrawFn) -> Written:
    """Items in the generic format."""
    rows = draw(OWN_ITEMS)
    columns = {"item_id": list(rows), "title": list(rows.values())}
    kept = {item: folded(title) for item, title in rows.items() if item in ALL and title.strip()}
    return Written(_csv_bytes(draw, columns), (kept, {}))


@st.composite
def recbole_interactions(draw: st.DrawFn) -> Written:
    """An ``.inter`` file."""
    rows = draw(FLOAT_EVENTS)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    lines += [f"{user}\t{item}\t{'' if time is None else time}" for user, item, time in rows]
    times = [-1 if time is None else round(float(time)) for _, _, time in rows]
    columns = [[row[0] for row in rows], [row[1] for row in rows]]
    expected = {"users": columns[0], "items": columns[1], "timestamps": times, "positions": None}
    return Written(draw(LINE_ENDS).join(lines).encode(), expected)


@st.composite
def recbole_items(draw: st.DrawFn) -> Written:
    """An ``.item`` file."""
    rows = draw(ATOMIC_ITEMS)
    lines = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    lines += ["\t".join((item, *fields)) for item, fields in rows.items()]
    kept = {item: fields for item, fields in rows.items() if item in ALL}
    titles = {item: folded(title) + (f" ({year})" if year else "") for item, (title, year, _) in kept.items()}
    titles = {item: title for item, title in titles.items() if folded(kept[item][0])}
    return Written("\n".join(lines).encode(), (titles, {item: "|".join(row[2].split()) for item, row in kept.items()}))


@st.composite
def ratings(draw: st.DrawFn, delimiter: str) -> Written:
    """Ratings of MovieLens."""
    rows = draw(RATINGS)
    lines = [delimiter.join((user, item, "5", str(time))) for user, item, time in rows]
    columns = [list(column) for column in zip(*rows, strict=True)]
    expected = {"users": columns[0], "items": columns[1], "timestamps": columns[2], "positions": None}
    return Written("".join(line + "\n" for line in lines).encode(), expected)


@st.composite
def movies(draw: st.DrawFn, encoding: str) -> Written:
    """The movies of MovieLens 1M or 10M."""
    rows = draw(WIDE_MOVIES if encoding == "utf-8" else LATIN_MOVIES)
    content = "".join("::".join((item, *fields)) + "\n" for item, fields in rows.items()).encode(encoding)
    kept = {item: fields for item, fields in rows.items() if item in ALL}
    expected = {item: folded(title) for item, (title, _) in kept.items()}, {item: row[1] for item, row in kept.items()}
    return Written(content, expected)


@st.composite
def movies_100k(draw: st.DrawFn) -> Written:
    """The movies of MovieLens 100K."""
    rows = draw(FLAGGED_MOVIES)
    flags = {item: "|".join("1" if place == genre else "0" for place in range(19)) for item, (_, genre) in rows.items()}
    content = "".join(f"{item}|{title}|||{'x'}|{flags[item]}\n" for item, (title, _) in rows.items())
    kept = {item: row for item, row in rows.items() if item in ALL}
    names = {item: folded(title) for item, (title, _) in kept.items()}
    return Written(
        content.encode("latin-1"), (names, {item: movielens.GENRES_100K[genre] for item, (_, genre) in kept.items()})
    )


@st.composite
def reviews(draw: st.DrawFn) -> Written:
    """Amazon's reviews."""
    rows = draw(REVIEWS)
    records = [
        {"reviewerID": user, "asin": item, "overall": 5.0} | ({} if time is None else {"unixReviewTime": time})
        for user, item, time in rows
    ]
    is_ascii = draw(BOOLEANS)
    content = "".join(json.dumps(record, ensure_ascii=is_ascii) + "\n" for record in records)
    times = [-1 if time is None else time for _, _, time in rows]
    columns = [[row[0] for row in rows], [row[1] for row in rows]]
    expected = {"users": columns[0], "items": columns[1], "timestamps": times, "positions": None}
    return Written(content.encode(), expected)


@st.composite
def meta(draw: st.DrawFn, year: int) -> Written:
    """Amazon's items."""
    rows = draw(META)
    lines, titles, categories = [], {}, {}
    for item, title, path in rows:
        record: dict[str, Any] = {"asin": item} | ({} if title is None else {"title": title})
        record |= {"category": path} if year == 2018 else {"categories": [path, ["other"]]}
        lines.append(json.dumps(record, ensure_ascii=draw(BOOLEANS)) if year == 2018 else repr(record))
        if item in ALL and folded(html.unescape(title or "")):
            titles.setdefault(item, folded(html.unescape(title or "")))
        if item in ALL and path:
            categories.setdefault(item, " > ".join(folded(html.unescape(part)) for part in path))
    return Written(("\n".join(lines) + "\n").encode(), (titles, categories))


@st.composite
def archive(draw: st.DrawFn) -> Written:
    """A zip archive of ratings."""
    inside = draw(ratings("::"))
    stream = io.BytesIO()
    method = draw(METHODS)
    with zipfile.ZipFile(stream, "w", method) as made:
        made.writestr(zipfile.ZipInfo("ml-1m/ratings.dat"), inside.content, compress_type=method)
    return Written(stream.getvalue(), inside.expected)
