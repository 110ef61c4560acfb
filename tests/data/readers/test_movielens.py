from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.events import ItemFacts
from bench.data.readers.movielens import read_items_1m, read_items_10m, read_items_100k, read_ratings
from bench.data.source_files import SourceFile
from bench.errors import BenchError

Reader = Callable[[SourceFile, frozenset[str]], ItemFacts]
ALL = frozenset({"1", "2", "3"})


def flags(*on: int) -> str:
    return "|".join("1" if genre in on else "0" for genre in range(19))


def test_ratings_of_100k_are_read(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    events = read_ratings(SourceFile(tmp_path / "u.data"))
    assert events.users.ids.tolist() == ["196", "186"]
    assert events.timestamps is not None
    assert events.timestamps.tolist() == [881250949, 891717742]


def test_ratings_are_read_from_inside_the_official_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "1::1193::5::978300760\n1::661::3.5::978302109\n")
    events = read_ratings(SourceFile(tmp_path / "ml.zip", "ml-1m/ratings.dat"))
    assert events.items.ids.tolist() == ["1193", "661"]


def test_items_of_100k_are_latin_1_with_genre_flags(tmp_path: Path) -> None:
    line = f"1|Misérables, Les (1995)|01-Jan-1995||http://x|{flags(5, 8)}\n2|unknown||||{flags(0)}\n"
    (tmp_path / "u.item").write_bytes(line.encode("latin-1"))
    facts = read_items_100k(SourceFile(tmp_path / "u.item"), frozenset({"1"}))
    assert facts.titles == {"1": "Misérables, Les (1995)"}
    assert facts.categories == {"1": "Comedy|Drama"}


@pytest.mark.parametrize(("reader", "encoding"), [(read_items_1m, "latin-1"), (read_items_10m, "utf-8")])
def test_movies_are_read_in_the_encoding_of_their_version(tmp_path: Path, reader: Reader, encoding: str) -> None:
    text = "1::Cité des enfants perdus, La (1995)::Adventure|Sci-Fi\n2::Other::Drama\n"
    (tmp_path / "movies.dat").write_bytes(text.encode(encoding))
    facts = reader(SourceFile(tmp_path / "movies.dat"), frozenset({"1"}))
    assert facts.titles == {"1": "Cité des enfants perdus, La (1995)"}
    assert facts.categories == {"1": "Adventure|Sci-Fi"}


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_text("1::One::Drama\n2::Two\n")
    with pytest.raises(BenchError, match=r"movies\.dat, line 2: 2 fields, expected 3"):
        read_items_1m(SourceFile(tmp_path / "movies.dat"), ALL)
    (tmp_path / "ratings.dat").write_text("1::1::5::10\n1::2::5\n")
    with pytest.raises(BenchError, match=r"ratings\.dat, line 2: 3 fields, expected 4"):
        read_ratings(SourceFile(tmp_path / "ratings.dat"))
    (tmp_path / "ratings.dat").write_text("1::1::5::\n")
    with pytest.raises(BenchError, match=r"ratings\.dat, line 1: timestamp is empty"):
        read_ratings(SourceFile(tmp_path / "ratings.dat"))


def test_an_archive_without_the_member_or_no_archive_at_all_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr("other.txt", "x")
    with pytest.raises(BenchError, match=r"does not contain 'ml-1m/ratings\.dat'"):
        read_ratings(SourceFile(tmp_path / "ml.zip", "ml-1m/ratings.dat"))
    (tmp_path / "no.zip").write_bytes(b"not an archive")
    with pytest.raises(BenchError, match="is damaged"):
        read_ratings(SourceFile(tmp_path / "no.zip", "ml-1m/ratings.dat"))
