from __future__ import annotations

import dataclasses
import sys
import zipfile
from pathlib import Path

import pytest

from bench.data import locate as source_module
from bench.data.card import load_card, own_data_card
from bench.data.locate import locate
from bench.errors import BenchError


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def test_generic_files_come_before_official_ones(data_dir: Path, cache_dir: Path) -> None:
    folder = touched(data_dir / "beauty", "interactions.csv.gz", "items.csv", "reviews_Beauty_5.json.gz")
    found = locate(load_card("beauty"), data_dir, cache_dir)
    assert found.format == "csv"
    assert found.paths == (folder / "interactions.csv.gz", folder / "items.csv")


def test_official_raw_files_are_found_by_their_names(data_dir: Path, cache_dir: Path) -> None:
    folder = touched(data_dir / "beauty", "reviews_Beauty_5.json.gz", "meta_Beauty.json.gz")
    found = locate(load_card("beauty"), data_dir, cache_dir)
    assert found.format == "amazon-2014"
    assert found.paths == (folder / "reviews_Beauty_5.json.gz", folder / "meta_Beauty.json.gz")


@pytest.mark.parametrize("names", [("ratings.dat", "movies.dat"), ("ml-1m/ratings.dat", "ml-1m/movies.dat")])
def test_unpacked_members_are_found(data_dir: Path, cache_dir: Path, names: tuple[str, str]) -> None:
    folder = touched(data_dir / "ml-1m", *names)
    found = locate(load_card("ml-1m"), data_dir, cache_dir)
    assert found.paths == tuple(folder / name for name in names)


def test_an_official_archive_is_read_where_it_lies(data_dir: Path, cache_dir: Path) -> None:
    (data_dir / "ml-1m").mkdir()
    with zipfile.ZipFile(data_dir / "ml-1m" / "ml-1m.zip", "w"):
        pass
    found = locate(load_card("ml-1m"), data_dir, cache_dir)
    assert found.interactions.member == "ml-1m/ratings.dat"
    assert len(found.paths) == 1


def test_atomic_files_of_a_user_are_found(data_dir: Path, cache_dir: Path) -> None:
    touched(data_dir / "shop", "shop.inter")
    found = locate(own_data_card("shop"), data_dir, cache_dir)
    assert found.format == "recbole"
    assert found.items is None


def test_the_shipped_copy_is_found_without_any_folder(cache_dir: Path) -> None:
    found = locate(load_card("ml-100k"), None, cache_dir)
    assert found.interactions.path.name == "ml-100k.inter"
    assert not cache_dir.exists()


def test_a_user_s_folder_comes_before_the_shipped_copy(data_dir: Path, cache_dir: Path) -> None:
    touched(data_dir / "ml-100k", "u.data", "u.item")
    assert locate(load_card("ml-100k"), data_dir, cache_dir).format == "movielens-100k"


def test_an_empty_folder_says_what_was_expected(data_dir: Path, cache_dir: Path) -> None:
    (data_dir / "beauty").mkdir()
    with pytest.raises(
        BenchError, match=r"beauty contains no source files; expected interactions\.csv\.gz or reviews_Bea"
    ):
        locate(load_card("beauty"), data_dir, cache_dir)


def test_a_data_folder_that_does_not_exist_is_an_error(tmp_path: Path, cache_dir: Path) -> None:
    with pytest.raises(BenchError, match="nowhere does not exist: set BENCH_DATA or --data-dir"):
        locate(load_card("beauty"), tmp_path / "nowhere", cache_dir)


def test_missing_files_are_downloaded_into_the_cache(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(address: str, target: Path, *, sha256: str, by_hand: str, progress: object) -> Path:
        touched(target.parent, target.name)
        return target

    monkeypatch.setattr(source_module, "download", fetched)
    found = locate(load_card("beauty"), None, cache_dir)
    assert found.interactions.path == cache_dir / "downloads" / "beauty" / "reviews_Beauty_5.json.gz"
    assert locate(load_card("beauty"), None, cache_dir) == found


def test_without_the_package_that_ships_a_copy_the_error_says_how_to_install_it(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(address: str, target: Path, *, sha256: str, by_hand: str, progress: object) -> Path:
        raise BenchError(f"put your own data at {by_hand}.")

    monkeypatch.setitem(sys.modules, "recbole", None)
    monkeypatch.setattr(source_module, "download", unreachable)
    for name, hint in (("ml-100k", r", or .*: pip install --no-deps recbole==1\.2\.1\."), ("beauty", r"\.csv\.gz\.$")):
        with pytest.raises(BenchError, match=hint):
            locate(load_card(name), None, cache_dir)


def test_a_half_finished_pair_of_downloads_is_completed(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched(cache_dir / "downloads" / "beauty", "reviews_Beauty_5.json.gz")

    def fetched(address: str, target: Path, *, sha256: str, by_hand: str, progress: object) -> Path:
        touched(target.parent, target.name)
        return target

    monkeypatch.setattr(source_module, "download", fetched)
    assert locate(load_card("beauty"), None, cache_dir).items is not None


def test_a_card_without_files_says_where_to_put_some(cache_dir: Path) -> None:
    card = dataclasses.replace(own_data_card("shop"))
    with pytest.raises(
        BenchError, match=r"No source files for dataset 'shop': put them at \$BENCH_DATA/shop/interactions\.csv\.gz"
    ):
        locate(card, None, cache_dir)
