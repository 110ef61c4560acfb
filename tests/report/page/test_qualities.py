from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.diagnose.repeated_answers import AskedAgain, keep
from bench.diagnose.stability import Stability
from bench.metrics import Tops
from bench.report.page.content import Bias, Repetition
from bench.report.page.qualities import bias_of, repetitions_of
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


def with_tops(store: RunStore, record: RunRecord, top: float, positive: int, item: int = 0) -> RunRecord:
    n = record.n_queries
    tops = Tops(np.full(n, item, np.int32), np.full(n, top, np.float32), np.full(n, positive, np.int32))
    store.save(record, *store.ranks(record.id), tops)
    return record


def test_the_bias_of_a_row_is_the_mean_over_its_seeds(run_store: RunStore, save_run: Save) -> None:
    records = [
        with_tops(run_store, save_run("bpr", [0, 1], seed=seed), top=4.0 + 2 * seed, positive=2) for seed in (0, 1)
    ]
    assert bias_of(records, run_store) == Bias(5.0, 2.0, 2.5)
    assert bias_of([*records, save_run("bpr", [0, 1], seed=2)], run_store) is None


def test_where_nobody_touched_a_positive_there_is_no_ratio(run_store: RunStore, save_run: Save) -> None:
    assert bias_of([with_tops(run_store, save_run("bpr", [0]), 4.0, 0)], run_store) == Bias(4.0, 0.0, None)


def test_seeds_come_before_what_was_asked_again(run_store: RunStore, save_run: Save) -> None:
    first = with_tops(run_store, save_run("bpr", [0, 29]), 1.0, 1, item=1)
    second = with_tops(run_store, save_run("bpr", [29, 29], seed=1), 1.0, 1, item=2)
    keep(second, AskedAgain("candidate order", "ndcg@1", 9, Stability((0.25, 0.5, 0.125), 0.2)), run_store)
    over_seeds, asked = repetitions_of([first, second], run_store)
    assert over_seeds == Repetition("seeds", "ndcg@3", 2, 2, 0.5, 0.0, 0.5, 1.0)
    assert asked == Repetition("candidate order", "ndcg@1", 9, 3, 0.25, 0.125, 0.5, 0.2)
    assert repetitions_of([first], run_store) == ()


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_runs_without_tops_tell_of_seeds_alone(run_store: RunStore, save_run: Save, n_seeds: int) -> None:
    records = [save_run("bpr", [seed, 1], seed=seed) for seed in range(n_seeds)]
    found = repetitions_of(records, run_store)
    assert [(one.over, one.flip_rate) for one in found] == [("seeds", None)] * (n_seeds - 1)
