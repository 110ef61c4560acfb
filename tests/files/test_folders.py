from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from bench.errors import BenchError
from bench.files.folders import Folders, require_user_data_dir, user_data_dir, usual_folders


def test_a_folder_is_the_given_one_then_that_of_the_environment_then_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("BENCH_CACHE", "BENCH_RESULTS", "BENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    assert usual_folders() == Folders(platformdirs.user_cache_path("bench"), Path("results"), None)
    monkeypatch.setenv("BENCH_CACHE", "/cache")
    monkeypatch.setenv("BENCH_DATA", "")
    assert usual_folders(results_dir="mine") == Folders(Path("/cache"), Path("mine"), None)
    assert usual_folders(cache_dir="~/c", data_dir=Path("d")) == Folders(Path.home() / "c", Path("results"), Path("d"))


def test_own_data_goes_to_the_platform_s_directory_unless_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BENCH_USER_DATA", "~/mine")
    assert user_data_dir() == require_user_data_dir() == Path.home() / "mine"
    monkeypatch.setenv("BENCH_USER_DATA", "")
    assert user_data_dir() == platformdirs.user_data_path("bench") / "datasets"
    monkeypatch.setattr(platformdirs, "user_data_path", lambda _name: Path("~/nobody"))
    assert user_data_dir() is None
    with pytest.raises(BenchError, match="give --data-dir or set BENCH_USER_DATA"):
        require_user_data_dir()
