"""``bench verify``, and what the other commands do with results and a cache that were damaged or edited."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.files.folders import Folders
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
TABLE = ("table", "--dataset", "shop", "--setting", "warm")


@pytest.fixture
def folders(folders: Folders, tmp_path: Path) -> Folders:
    """The shop with a cache of the test's own, which it may damage."""
    return dataclasses.replace(folders, cache_dir=tmp_path / "cache")


@pytest.fixture
def record_path(bench: Bench, folders: Folders) -> Path:
    """The record of popularity on the shop; random is stored beside it."""
    bench("run", "--method", "random", "--dataset", "shop")
    run_id = json.loads(bench("run", "--method", "popularity", "--dataset", "shop", "--json").stdout)["id"]
    return folders.results_dir / "runs" / run_id / "run.json"


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def forge_ranks(record_path: Path) -> None:
    (path,) = record_path.parent.glob("ranks-*.parquet")
    n_queries = pq.read_metadata(path).num_rows
    pq.write_table(pa.table({"query": range(n_queries), "better": [0] * n_queries, "tied": [0] * n_queries}), path)


def flip_cached(folders: Folders) -> Path:
    path = next(folders.cache_dir.glob("candidates/*/*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def test_what_is_as_it_was_written_passes(bench: Bench, record_path: Path) -> None:
    outcome = bench("verify")
    assert outcome.code == 0
    runs, artifacts = outcome.stdout.splitlines()
    assert runs.startswith("ok      2 runs in ")
    assert artifacts.startswith("ok      ")
    assert "artifacts in" in artifacts


def forgeries() -> Iterator[tuple[str, Callable[[Path], None]]]:
    high = {"value": 0.99, "low": 0.98, "high": 1.0}
    yield "states ndcg@3 value 0.99, its ranks give 0.", lambda path: edit(path, metrics={"ndcg@3": high})
    yield "states tie rate 0.5, its ranks give 0.", lambda path: edit(path, tie_rate=0.5)
    yield "states 7", lambda path: edit(path, n_queries=7)
    yield "its SHA-256 is not the one that its record states", forge_ranks
    yield "Cannot read", lambda path: path.write_text("")


@pytest.mark.parametrize(("said", "forge"), list(forgeries()))
def test_what_differs_is_named_and_ends_with_code_1(
    bench: Bench, record_path: Path, said: str, forge: Callable[[Path], None]
) -> None:
    forge(record_path)
    outcome = bench("verify", "--json")
    assert outcome.code == 1
    (failed,) = (check["text"] for check in json.loads(outcome.stdout) if not check["passed"])
    assert said in failed
    assert record_path.parent.name in failed


def test_a_damaged_artifact_is_named_and_made_again_by_the_next_run(
    bench: Bench, folders: Folders, record_path: Path
) -> None:
    path = flip_cached(folders)
    outcome = bench("verify")
    assert outcome.code == 1
    assert f"FAILED  {path.parent} is damaged ({path.name} is not what was written)" in outcome.stdout
    again = bench("run", "--method", "popularity", "--dataset", "shop", "--rescore")
    assert f"{path.parent} is damaged ({path.name} is not what was written): it is made again" in again.stderr
    assert bench("verify").code == 0


def test_metrics_and_intervals_are_shown_as_the_ranks_give_them_whatever_the_record_states(
    bench: Bench, record_path: Path
) -> None:
    words = ("run", "--method", "popularity", "--dataset", "shop")
    run, table = bench(*words).stdout, bench(*TABLE, "--format", "json").stdout
    metrics = json.loads(record_path.read_text())["metrics"]
    edit(record_path, metrics={name: {"value": 0.99, "low": 0.98, "high": 1.0} for name in metrics})
    assert bench(*words).stdout == run
    assert bench(*TABLE, "--format", "json").stdout == table


def test_a_run_whose_ranks_were_edited_is_refused_until_it_is_forced(bench: Bench, record_path: Path) -> None:
    forge_ranks(record_path)
    words = ("run", "--method", "popularity", "--dataset", "shop")
    assert "its SHA-256 is not the one that its record states" in bench(*words).mistake
    assert "its SHA-256 is not the one that its record states" in bench(*TABLE).mistake
    assert bench(*words, "--force").code == 0
    assert bench("verify").code == 0


def test_a_record_that_cannot_be_read_is_left_out_of_tables_and_reports_with_one_warning(
    bench: Bench, record_path: Path, tmp_path: Path
) -> None:
    record_path.write_text("")
    for words in (
        TABLE,
        ("report", "--output", tmp_path / "report.html"),
        ("compare", "random@shop@warm", "random@shop@warm"),
    ):
        outcome = bench(*words)
        assert outcome.code == 0
        assert outcome.stderr.count("Warning: A run is left out. Cannot read") == 1
    assert "popularity" not in bench(*TABLE).stdout
