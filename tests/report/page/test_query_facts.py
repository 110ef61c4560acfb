from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.files.folders import Folders
from bench.protocol.full_ranking import catalogue_hash
from bench.protocol.task import PreparedTask
from bench.report.page.query_facts import IN_ALL, IN_TRAINING, facts_reader, query_facts
from bench.report.page.user_analysis import QueryFacts
from bench.runs.record import RunRecord
from bench.runs.tasks import Tasks
from bench.spec import ProtocolSpec
from tests.support.shop_toy import write_shop

Save = Callable[..., RunRecord]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("shop")
    write_shop(root / "data")
    return Folders(root / "cache", root / "results", root / "data")


def silent(_line: str) -> None: ...


def prepared(folders: Folders, setting: str) -> PreparedTask:
    return Tasks(folders, silent).prepared(ProtocolSpec("shop", setting))  # type: ignore[arg-type]


def test_histories_and_popularity_are_those_of_the_training_part(folders: Folders) -> None:
    task = prepared(folders, "warm")
    facts = query_facts(task, None)
    user = int(task.test.queries.users[7])
    touched = task.domain.history(user)
    assert facts.history_lengths[7] == len(touched) - 1
    assert facts.popularity[7] == np.count_nonzero(task.training.items == touched[-1])
    assert facts.popularity_title == IN_TRAINING


def test_cold_items_are_counted_in_the_whole_dataset(folders: Folders) -> None:
    task = prepared(folders, "cold")
    facts = query_facts(task, None)
    assert facts.popularity_title == IN_ALL
    assert facts.popularity.min() >= 1
    assert len(facts.popularity) == len(task.test)


def test_a_sample_of_queries_is_the_runs(folders: Folders) -> None:
    task = prepared(folders, "warm")
    assert len(query_facts(task, 10).history_lengths) == 10


def test_the_data_must_be_those_of_the_run(folders: Folders, save_run: Save) -> None:
    read = facts_reader(folders, silent)
    same = save_run("bpr", [0], dataset="shop", candidates_hash=prepared(folders, "warm").candidates_hash)
    assert isinstance(read(same), QueryFacts)
    assert "has changed since the runs" in str(read(dataclasses.replace(same, candidates_hash="0")))


def test_a_full_run_is_known_by_the_hash_of_its_catalogue(folders: Folders, save_run: Save) -> None:
    task, read = prepared(folders, "warm"), facts_reader(folders, silent)
    facts = {"dataset": "shop", "catalogue": {"n_items": 60.0}}
    assert isinstance(read(save_run("bpr", [0], **facts, candidates_hash=catalogue_hash(task))), QueryFacts)
    assert "has changed since the runs" in str(
        read(save_run("bpr", [0], **facts, candidates_hash=task.candidates_hash))
    )


def test_missing_data_are_a_reason_and_never_a_download(
    folders: Folders, save_run: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise AssertionError("a report downloads nothing")

    monkeypatch.setattr("bench.data.locate.download", refuse)
    read = facts_reader(Folders(tmp_path, tmp_path), silent)
    assert "give --data-dir or set BENCH_DATA" in str(read(save_run("bpr", [0], dataset="beauty")))
    assert "Unknown dataset 'nowhere'" in str(read(save_run("bpr", [0], dataset="nowhere")))
    absent = facts_reader(dataclasses.replace(folders, data_dir=tmp_path / "absent"), silent)
    assert "does not exist" in str(absent(save_run("bpr", [0], dataset="toys")))
