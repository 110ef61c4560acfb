"""Datasets from the folders that the environment names, and your own from a DataFrame."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest

import bench
from bench.data.prepare import load_domain
from bench.files.folders import Folders


def test_a_dataset_is_loaded_from_the_usual_folders_or_from_given_ones(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = load_domain("shop", folders.data_dir, folders.cache_dir)
    assert bench.load_domain("shop", progress=None).content_hash == wanted.content_hash
    monkeypatch.delenv("BENCH_DATA")
    with pytest.raises(bench.BenchError, match="Unknown dataset 'shop'"):
        bench.load_domain("shop", progress=None)
    given = bench.load_domain("shop", data_dir=folders.data_dir, cache_dir=tmp_path / "cache", progress=None)
    assert given.content_hash == wanted.content_hash
    assert (tmp_path / "cache" / "domains").is_dir()


def test_a_frame_becomes_a_dataset_that_can_be_run(tmp_path: Path, folders: Folders) -> None:
    assert folders.data_dir is not None
    events = pandas.read_csv(folders.data_dir / "shop" / "interactions.csv")
    titles = pandas.read_csv(folders.data_dir / "shop" / "items.csv")
    domain = bench.add_dataset(events.merge(titles, on="item_id"), "shop", data_dir=tmp_path / "data")
    assert domain.content_hash == bench.load_domain("shop", progress=None).content_hash
    other = {"data_dir": tmp_path / "data", "results_dir": tmp_path / "other"}
    mine, theirs = (bench.run("popularity", "shop", progress=None, device="cpu", **folder) for folder in (other, {}))
    assert mine.metrics == theirs.metrics
    assert mine.ranks().equals(theirs.ranks())


def test_a_frame_goes_to_the_user_s_own_directory_and_is_found_there(
    user_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BENCH_DATA")
    frame = pandas.DataFrame({"who": ["ann", "ann"], "asin": ["tea", "cup"], "when": ["2024-01-02", "2024-01-01"]})
    domain = bench.add_dataset(frame, "stall", user_column="who", time_column="when", k_core=1)
    assert domain.item_ids[domain.history(0)].tolist() == ["cup", "tea"]
    assert bench.load_domain("stall", progress=None).content_hash == domain.content_hash
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"Importing stall into {user_data / 'stall'}"
    assert "times: ISO dates, 2024-01-01 to 2024-01-02 (column when)" in told
    with pytest.raises(bench.BenchError, match="overwrite=True"):
        bench.add_dataset(frame, "stall", user_column="who", time_column="when")
    bench.add_dataset(frame, "stall", user_column="who", unordered=True, overwrite=True, progress=None)


def test_a_name_that_the_data_directory_has_is_refused(user_data: Path) -> None:
    frame = pandas.DataFrame({"user": ["ann"], "item": ["tea"], "time": [1]})
    with pytest.raises(bench.BenchError, match="already has a dataset 'shop', which would be used instead"):
        bench.add_dataset(frame, "shop", progress=None)
    assert not user_data.exists()
