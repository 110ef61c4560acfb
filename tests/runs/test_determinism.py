"""Equal specs give equal results: in fresh folders, in any order of execution, and in a new process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from bench.spec import RunSpec
from tests.support.shop_toy import write_shop
from tests.support.tiny_fits import LORA, RECBOLE, TRANSFERABLE

TIMED = ("created", "seconds", "peak_memory_bytes", "git", "threads")
"""Fields of a record that depend on when and where it was made."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shop(folder, "shop")
    write_shop(folder, "market", seed=1)
    return folder


@pytest.fixture
def specs(wide_encoder_folder: Path) -> list[RunSpec]:
    """Runs of each family; the last three share adapters."""
    backbone = str(wide_encoder_folder)
    requests = [
        RunRequest("random", "shop"),
        RunRequest("sasrec", "shop", params=RECBOLE),
        RunRequest("unisrec", "shop", params=TRANSFERABLE, sources=("market",), backbone=backbone),
        RunRequest("target-only", "shop", params=LORA, backbone=backbone),
        RunRequest("weaverec", "shop", params=LORA, sources=("market",), backbone=backbone),
        RunRequest("reccocktail", "shop", params=LORA, sources=("market",), backbone=backbone),
    ]
    return [complete(request) for request in requests]


def stored(specs: Sequence[RunSpec], folders: Folders) -> dict[str, Any]:
    """Execute the runs in order; return what is stored of each, without times."""
    for spec in specs:
        run(spec, folders, lambda _line: None)
    store = RunStore(folders.results_dir)
    found = {}
    for record in store.records():
        fields = {name: value for name, value in record.to_json().items() if name not in TIMED}
        found[record.id] = without_seconds(fields), store.ranks(record.id)[1].better.tolist()
    return found


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_seconds(inner) for name, inner in value.items() if name != "seconds"}
    return list(map(without_seconds, value)) if isinstance(value, list | tuple) else value


def artifacts(folders: Folders) -> set[str]:
    """Return the artifacts, each named by the hash of what determines it."""
    return {str(path.parent.relative_to(folders.cache_dir)) for path in folders.cache_dir.glob("*/*/made.json")}


def weights(folders: Folders) -> dict[str, bytes]:
    paths = folders.cache_dir.glob("*/*/*.safetensors")
    return {str(path.relative_to(folders.cache_dir)): path.read_bytes() for path in paths}


def test_two_orders_of_execution_in_fresh_folders_store_the_same(
    specs: list[RunSpec], data_dir: Path, tmp_path: Path
) -> None:
    forth, back = (Folders(tmp_path / name / "cache", tmp_path / name / "results", data_dir) for name in ("a", "b"))
    assert stored(specs, forth) == stored(specs[::-1], back)
    assert artifacts(forth) == artifacts(back) != set()
    assert weights(forth) == weights(back) != {}


def test_another_process_with_another_hash_seed_stores_the_same(
    specs: list[RunSpec], data_dir: Path, tmp_path: Path
) -> None:
    here = Folders(tmp_path / "here" / "cache", tmp_path / "here" / "results", data_dir)
    expected = stored(specs[1:2], here)
    there = Folders(tmp_path / "there" / "cache", tmp_path / "there" / "results", data_dir)
    words = ["run", "--method", "sasrec", "--dataset", "shop", "--device", "cpu"]
    words += [word for name, value in RECBOLE.items() for word in ("-p", f"{name}={value}")]
    places = ["--data-dir", data_dir, "--cache-dir", there.cache_dir, "--results-dir", there.results_dir]
    subprocess.run(
        [sys.executable, "-m", "bench", *words, *map(str, places)],
        env={**os.environ, "PYTHONHASHSEED": "123"},
        check=True,
        capture_output=True,
    )
    ((_, ranks),) = expected.values()
    (record,) = RunStore(there.results_dir).records()
    assert {record.id} == set(expected)
    assert RunStore(there.results_dir).ranks(record.id)[1].better.tolist() == ranks
