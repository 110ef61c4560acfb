"""Many runs in two files read back as they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from bench.errors import BenchError
from bench.metrics import Ranks, Tops
from bench.runs.packs import write_packs
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


@pytest.fixture
def runs(run_store: RunStore, save_run: Save) -> list[RunRecord]:
    """Three runs, one with what it ranked first and one of a large catalogue."""
    topped = save_run("sasrec", [5, 0, 29])
    tops = Tops(np.array([3, 1, 2], np.int32), np.array([0.5, 7, 8], np.float32), np.array([1, 2, 3], np.int32))
    run_store.save(topped, *run_store.ranks(topped.id), tops)
    catalogue = {"n_items": 70_000, "mean_candidates": 69_990.0}
    return [save_run("bpr", [0, 3, 1], tied=[1, 0, 2]), topped, save_run("fmlp", [3, 4], catalogue=catalogue)]


def packed(store: RunStore, groups: dict[str, list[RunRecord]]) -> RunStore:
    write_packs(store.results_dir, groups, store.queries)
    for records in groups.values():
        for record in records:
            if record.id in set(store.loose()):
                store.remove_folder(record.id)
    return RunStore(store.results_dir)


def test_packed_runs_read_back_as_they_were(run_store: RunStore, runs: list[RunRecord]) -> None:
    before = {record.id: run_store.queries(record.id).columns() for record in runs}
    store = packed(run_store, {"first": runs[:2], "second": runs[2:]})
    assert list(store.loose()) == []
    assert sorted(record.id for record in store.records()) == sorted(before)
    assert all(store.load(record.id) == record for record in runs)
    for run_id, columns in before.items():
        again = store.queries(run_id).columns()
        assert list(again) == list(columns)
        assert all(np.array_equal(again[name], columns[name]) for name in columns)
    files = sorted(
        path.relative_to(store.results_dir / "packs") for path in store.results_dir.rglob("*") if path.is_file()
    )
    assert [str(path) for path in files] == [
        f"{name}/{file}" for name in ("first", "second") for file in ("ranks.parquet", "records.jsonl")
    ]


def test_a_run_of_its_own_folder_stands_before_its_packed_one(run_store: RunStore, save_run: Save) -> None:
    store = packed(run_store, {"only": [save_run("bpr", [0, 3, 1])]})
    again = save_run("bpr", [9, 9, 9])
    assert RunStore(store.results_dir).records() == [again]
    assert RunStore(store.results_dir).ranks(again.id)[1].better.tolist() == [9, 9, 9]


def test_packing_again_takes_what_was_packed_along(run_store: RunStore, runs: list[RunRecord], save_run: Save) -> None:
    store = packed(run_store, {"first": runs})
    new = save_run("gru4rec", [1, 1])
    store = RunStore(store.results_dir)
    again = packed(store, {"one": [new, runs[0]], "other": runs[1:]})
    assert len(again.records()) == 4
    assert again.ranks(runs[0].id)[1].tied.tolist() == [1, 0, 2]
    assert {path.name for path in (again.results_dir / "packs").iterdir()} == {"one", "other"}


def test_a_broken_line_is_named_by_file_and_line(run_store: RunStore, runs: list[RunRecord]) -> None:
    store = packed(run_store, {"first": runs})
    path = store.results_dir / "packs" / "first" / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:50], lines[2]]) + "\n")
    with pytest.raises(BenchError, match=r"records\.jsonl:2 is not a run record"):
        RunStore(store.results_dir).records()


def test_a_file_that_cannot_be_packed_leaves_the_packs_as_they_were(run_store: RunStore, runs: list[RunRecord]) -> None:
    store = packed(run_store, {"first": runs})
    unknown = dataclasses.replace(runs[0], id="0" * 16)
    with pytest.raises(BenchError):
        write_packs(store.results_dir, {"new": [unknown]}, store.queries)
    assert len(RunStore(store.results_dir).records()) == 3
    assert sorted(path.name for path in store.results_dir.iterdir()) == ["packs", "runs"]


def test_ranks_of_a_pack_keep_the_width_of_a_catalogue(run_store: RunStore, save_run: Save) -> None:
    record = save_run("bpr", [4_000], catalogue={"n_items": 70_000})
    wide = Ranks(np.array([69_000], np.int32), np.array([0], np.int32))
    run_store.save(record, np.array([7]), wide)
    store = packed(run_store, {"first": [record]})
    users, ranks = store.ranks(record.id)
    assert (users.tolist(), ranks.better.tolist()) == ([7], [69_000])
