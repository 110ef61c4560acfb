from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.files.folders import Folders
from tests.support.command_line import Outcome, call_bench
from tests.support.shop_toy import write_shop


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """One small shop, prepared once for all tests."""
    root = tmp_path_factory.mktemp("shops")
    write_shop(root / "data")
    return Folders(root / "cache", root / "results", root / "data")


@pytest.fixture
def folders(shops: Folders, tmp_path: Path) -> Folders:
    """The shop, with a results folder of the test's own."""
    return dataclasses.replace(shops, results_dir=tmp_path / "results")


@pytest.fixture
def bench(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Call ``bench`` as a user does whose folders are these."""
    monkeypatch.setenv("BENCH_DATA", str(folders.data_dir))
    monkeypatch.setenv("BENCH_CACHE", str(folders.cache_dir))
    monkeypatch.setenv("BENCH_RESULTS", str(folders.results_dir))
    return lambda *words: call_bench(str(word) for word in words)
