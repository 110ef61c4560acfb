from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.page.chosen_runs import ChosenRuns
from bench.runs import store as stores
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


def test_ranks_are_read_once(run_store: RunStore, save_run: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    record = save_run("bpr", [0, 4])
    read: list[Path] = []
    original = stores.read_run
    monkeypatch.setattr(stores, "read_run", lambda path, group: read.append(path) or original(path, group))
    part = ChosenRuns.of(run_store, (record,))
    first, second = part.queries_of(record), part.queries(record.id)
    assert first is second
    assert part.tops(record.id) is None
    assert len(read) == 1


def test_a_part_lists_its_own_runs_and_finds_all(run_store: RunStore, save_run: Save) -> None:
    chosen, other = save_run("bpr", [0]), save_run("random", [0])
    part = ChosenRuns.of(run_store, (chosen,))
    assert [record.id for record in part.records()] == [chosen.id]
    assert part.load(other.id).spec.method == "random"
    with pytest.raises(BenchError, match="No run 'nothing'"):
        part.load("nothing")
