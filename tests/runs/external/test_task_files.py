from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import chisquare

from bench.errors import BenchError
from bench.files.folders import Folders
from bench.files.hashing import file_sha256
from bench.protocol.task import PreparedTask
from bench.runs.external.task_files import ExportedTask, export_task, read_task
from bench.runs.tasks import Tasks
from bench.spec import ProtocolSpec
from tests.support.shop_toy import write_shop

SETTINGS = ("warm", "cold", "user-split")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Tasks:
    root = tmp_path_factory.mktemp("shops")
    write_shop(root / "data", n_users=1500, seconds_between=100_000)
    write_shop(root / "data", "market", seed=1)
    return Tasks(Folders(root / "cache", root / "results", root / "data"), lambda _line: None)


@pytest.fixture(params=SETTINGS)
def prepared(request: pytest.FixtureRequest, tasks: Tasks) -> PreparedTask:
    return tasks.prepared(ProtocolSpec("shop", request.param))


def rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def names_in(folder: Path) -> Iterator[str]:
    """Yield the name of every column and of every field of the JSON file."""
    for path in folder.rglob("*.parquet"):
        yield from (f"{path.name}:{name}" for name in pq.read_schema(path).names)
    yield from json.loads((folder / "task.json").read_text())


def test_the_files_contain_the_task_and_the_facts_their_hashes(prepared: PreparedTask, tmp_path: Path) -> None:
    task = export_task(prepared, tmp_path / "task")
    facts = json.loads((tmp_path / "task" / "task.json").read_text())
    assert facts["candidates_hash"] == task.candidates_hash == prepared.candidates_hash
    assert facts["files"] == {path.name: file_sha256(path) for path in (tmp_path / "task").glob("*.parquet")}
    assert read_task(tmp_path / "task") == task
    training = pq.read_table(tmp_path / "task" / "training.parquet")
    np.testing.assert_array_equal(training["item"], prepared.training.items)
    np.testing.assert_array_equal(training["user"], prepared.training.users_of_interactions())
    items = rows(tmp_path / "task" / "items.parquet")
    assert [one["title"] for one in items] == list(prepared.domain.titles)
    assert [one["item_id"] for one in items] == prepared.domain.item_ids.tolist()
    queries = prepared.test.queries
    for number, row in enumerate(rows(tmp_path / "task" / "test.parquet")):
        assert row["query"] == number
        assert row["history"] == queries.history(number).tolist()
        assert row["candidates"] == queries.candidates[number].tolist()


def test_validation_has_its_answers_and_the_test_has_none(prepared: PreparedTask, tmp_path: Path) -> None:
    export_task(prepared, tmp_path / "task")
    validation = pq.read_table(tmp_path / "task" / "validation.parquet")
    np.testing.assert_array_equal(validation["positive_column"], prepared.validation.answers.positive_column)
    assert pq.read_schema(tmp_path / "task" / "test.parquet").names == ["query", "user", "history", "candidates"]
    answers = [name for name in names_in(tmp_path / "task") if "positive" in name or "answer" in name]
    assert answers == ["validation.parquet:positive_column"]


def test_a_positive_is_at_every_position_equally_often_and_never_in_the_history(
    prepared: PreparedTask, tmp_path: Path
) -> None:
    export_task(prepared, tmp_path / "task")
    exported = rows(tmp_path / "task" / "test.parquet")
    positives = prepared.test.lists.positives
    columns = [row["candidates"].index(item) for row, item in zip(exported, positives, strict=True)]
    assert chisquare(np.bincount(columns, minlength=30)).pvalue > 1e-4
    assert not any(item in row["history"] for row, item in zip(exported, positives, strict=True))


def test_training_data_does_not_contain_the_test_interactions(prepared: PreparedTask, tmp_path: Path) -> None:
    export_task(prepared, tmp_path / "task")
    pairs = {(row["user"], row["item"]) for row in rows(tmp_path / "task" / "training.parquet")}
    asked = zip(prepared.test.queries.users.tolist(), prepared.test.lists.positives.tolist(), strict=True)
    assert pairs.isdisjoint(asked)


def test_sources_are_their_training_data_without_cold_titles(tasks: Tasks, tmp_path: Path) -> None:
    prepared = tasks.prepared(ProtocolSpec("shop", "cold"))
    source = tasks.source("market", prepared)
    export_task(prepared, tmp_path / "task", [source])
    folder = tmp_path / "task" / "sources" / "market"
    training = pq.read_table(folder / "training.parquet")
    np.testing.assert_array_equal(training["item"], source.items)
    titles = {row["item"]: row["title"].casefold() for row in rows(folder / "items.parquet")}
    assert prepared.cold_titles
    assert {titles[item] for item in set(training["item"].to_pylist())}.isdisjoint(prepared.cold_titles)


def test_nothing_is_overwritten_and_nothing_incomplete_is_left(
    tasks: Tasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = tasks.prepared(ProtocolSpec("shop"))
    export_task(prepared, tmp_path / "task")
    with pytest.raises(BenchError, match="already exists"):
        export_task(prepared, tmp_path / "task")
    monkeypatch.setattr("bench.runs.external.task_files.write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_task(prepared, tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["task"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "has format 2, expected 1"),
        ({"n_queries": "many"}, "n_queries is 'many'"),
        ({"protocol": {"dataset": "shop", "setting": "hot"}}, "setting is 'hot'"),
        ({"protocol": {"name": "shop"}}, "TypeError"),
    ],
)
def test_an_edited_task_is_refused(tasks: Tasks, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    export_task(tasks.prepared(ProtocolSpec("shop")), tmp_path / "task")
    path = tmp_path / "task" / "task.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BenchError, match=said):
        read_task(tmp_path / "task")


def test_a_missing_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"task.json cannot be read .* written by 'bench export-task'"):
        read_task(tmp_path)


def test_the_facts_are_what_a_reader_needs(tasks: Tasks, tmp_path: Path) -> None:
    task = export_task(tasks.prepared(ProtocolSpec("shop", "cold", seed=3)), tmp_path / "task")
    assert isinstance(task, ExportedTask)
    assert (task.protocol.setting, task.protocol.seed, task.n_candidates) == ("cold", 3, 30)
