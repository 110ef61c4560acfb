from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from bench.files.folders import Folders, usual_folders


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
