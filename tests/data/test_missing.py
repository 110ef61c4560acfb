"""Without data and without a network, the message names every missing file, and what can be used instead."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bench.data.card import load_card
from bench.data.download import DownloadError
from bench.data.importing.files import import_dataset
from bench.data.locate import locate, missing_files
from bench.data.missing import naming_missing_files, without_download
from bench.errors import BenchError, one_line


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    class Offline:
        def open(self, *_: Any, **__: Any) -> NoReturn:
            raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "build_opener", lambda *_: Offline())


def failure(names: tuple[str, ...], data_dir: Path | None, cache_dir: Path) -> str:
    def locate_all() -> None:
        with naming_missing_files(names, data_dir, cache_dir):
            for name in names:
                locate(load_card(name), data_dir, cache_dir)

    with pytest.raises(DownloadError) as raised:
        locate_all()
    return f"{one_line(str(raised.value))}\n{raised.value.choices}\n"


def test_all_files_of_target_and_sources_are_named_whole(cache_dir: Path) -> None:
    names = ("beauty", "clothing", "health", "video-games")
    text = failure(names, None, cache_dir)
    assert "Missing: files of beauty, clothing, health, video-games. " in text
    assert text.startswith("Cannot download https://snap.stanford.edu/")
    assert "reviews_Beauty_5.json.gz: Name or service not known." in text
    for name in names:
        files = [file.name for file in missing_files(load_card(name), None, cache_dir)]
        assert len(files) == 2
        assert f"\n  {name}: {', '.join(files)}\n" in text
    assert "put the files (or your own interactions.csv) into DIR/<dataset>/ and 'export BENCH_DATA=DIR'" in text
    assert "No download needed: ml-100k-action, " in text


def test_sizes_are_named_where_the_card_states_them(cache_dir: Path) -> None:
    assert "\n  ml-10m: ml-10m.zip, 63 MB\n" in failure(("ml-10m",), None, cache_dir)


def test_what_is_here_is_not_missing(data_dir: Path, cache_dir: Path) -> None:
    (data_dir / "clothing").mkdir()
    (data_dir / "clothing" / "interactions.csv").write_text("user_id,item_id\na,b\n")
    downloaded = cache_dir / "downloads" / "beauty"
    downloaded.mkdir(parents=True)
    (downloaded / "reviews_Beauty_5.json.gz").write_text("x")
    text = failure(("beauty", "clothing"), data_dir, cache_dir)
    assert "\n  beauty: meta_Beauty.json.gz\n" in text
    assert "clothing" in text.partition("No download needed: ")[2]


def test_imported_data_needs_no_download(tmp_path: Path, user_data: Path) -> None:
    (tmp_path / "orders.csv").write_text("user,item,time\na,b,1\n")
    import_dataset("stall", tmp_path / "orders.csv", None, user_data)
    assert without_download(None)[-1] == "stall"
    assert "ml-100k-drama" in without_download(None)
    assert "beauty" not in without_download(None)


def test_of_the_user_s_own_data_only_their_number_is_said(tmp_path: Path, user_data: Path, cache_dir: Path) -> None:
    (tmp_path / "orders.csv").write_text("user,item,time\na,b,1\n")
    for name in ("stall", "kiosk"):
        import_dataset(name, tmp_path / "orders.csv", None, user_data)
    text = failure(("beauty",), None, cache_dir)
    assert ", ml-100k-drama, " in text
    assert ", 2 of your own.\n" in text
    assert "stall" not in text


def test_other_errors_are_left_as_they_are(cache_dir: Path) -> None:
    with pytest.raises(BenchError, match=r"^as it was$"), naming_missing_files(("beauty",), None, cache_dir):
        raise BenchError("as it was")
