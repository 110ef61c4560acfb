from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.files.folders import Folders
from bench.registry import defined_here
from tests.support.shop_toy import write_shop


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """One small shop, prepared once for all tests."""
    root = tmp_path_factory.mktemp("shops")
    write_shop(root / "data")
    return Folders(root / "cache", root / "results", root / "data")


@pytest.fixture(autouse=True)
def folders(shops: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """The folders that the environment names: the shop, and an empty results folder."""
    monkeypatch.setenv("BENCH_DATA", str(shops.data_dir))
    monkeypatch.setenv("BENCH_CACHE", str(shops.cache_dir))
    monkeypatch.setenv("BENCH_RESULTS", str(tmp_path / "results"))
    return dataclasses.replace(shops, results_dir=tmp_path / "results")


@pytest.fixture(autouse=True)
def _forgets_methods() -> Iterator[None]:
    """Methods that a test registers are known to no other."""
    known = dict(defined_here())
    yield
    defined_here().clear()
    defined_here().update(known)
