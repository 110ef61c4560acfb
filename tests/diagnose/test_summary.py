from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.diagnose.efficiency import Efficiency, efficiency
from bench.diagnose.summary import across_seeds, diagnose_run
from bench.errors import BenchError
from bench.metrics import Metric, Tops
from bench.plugin import FitReport
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
NDCG = Metric("ndcg", 1)


def with_tops(store: RunStore, record: RunRecord, items: list[int]) -> RunRecord:
    n = len(items)
    tops = Tops(np.array(items, np.int32), np.full(n, 6, np.float32), np.arange(n, dtype=np.int32))
    store.save(record, *store.ranks(record.id), tops)
    return record


def test_the_cost_is_read_from_the_record(save_run: Save) -> None:
    facts = {"seconds": {"fit": 12.5, "score": 0.5}, "peak_memory_bytes": {"prepare": 7, "fit": 9, "score": 8}}
    record = save_run("bpr", [0, 3, 1], **facts, fit=FitReport(trained_parameters=100))
    assert efficiency(record) == Efficiency(6.0, 12.5, 100, 9)


@pytest.mark.parametrize("seconds", [{}, {"score": 0.0}])
def test_what_a_record_does_not_state_is_none(save_run: Save, seconds: dict[str, float]) -> None:
    assert efficiency(save_run("bpr", [0], seconds=seconds)) == Efficiency(None, None, None, None)


def test_a_run_is_diagnosed_from_the_store_alone(run_store: RunStore, save_run: Save) -> None:
    record = with_tops(run_store, save_run("bpr", [0, 0, 1, 0, 2]), [4, 4, 4, 4, 4])
    found = diagnose_run(record, run_store, NDCG)
    assert found.value == pytest.approx(3 / 5)
    assert found.bias is not None
    assert (found.bias.top, found.bias.positive) == (6, 2)
    assert [group.value for group in found.groups] == [1, 1, 0, 1, 0]


def test_a_run_from_before_tops_were_stored_has_its_cost_alone(run_store: RunStore, save_run: Save) -> None:
    found = diagnose_run(save_run("bpr", [0, 1]), run_store, NDCG)
    assert (found.value, found.bias, found.groups) == (0.5, None, ())


def test_runs_that_differ_by_the_seed_alone_are_compared(run_store: RunStore, save_run: Save) -> None:
    one = with_tops(run_store, save_run("bpr", [0, 1, 0, 0], seed=1), [1, 2, 3, 5])
    zero = with_tops(run_store, save_run("bpr", [0, 1, 1, 0], seed=0), [1, 2, 3, 4])
    other = save_run("sasrec", [0, 0, 0, 0])
    ((record, found),) = across_seeds([one, other, zero, one], run_store, NDCG)
    assert record == zero
    assert found.values == (0.5, 0.75)
    assert found.flip_rate == 0.25


def test_seeds_without_tops_have_a_spread_alone(run_store: RunStore, save_run: Save) -> None:
    records = [save_run("bpr", [seed, 1], seed=seed) for seed in (0, 1)]
    ((_, found),) = across_seeds(records, run_store, NDCG)
    assert (found.values, found.flip_rate) == ((0.5, 0.0), None)


def test_other_parameters_are_another_set(run_store: RunStore, save_run: Save) -> None:
    records = [save_run("bpr", [0], seed=0), save_run("bpr", [0], seed=1, overrides={"layers": 3})]
    assert across_seeds(records, run_store, NDCG) == []


def test_seeds_that_ranked_other_candidates_or_users_are_refused(run_store: RunStore, save_run: Save) -> None:
    first, second = save_run("bpr", [0, 1], seed=0), save_run("bpr", [0, 1], seed=1, users=[5, 6])
    with pytest.raises(BenchError, match="scored different users"):
        across_seeds([first, second], run_store, NDCG)
    with pytest.raises(BenchError, match="ranked different candidates"):
        across_seeds([first, replace(second, candidates_hash="other")], run_store, NDCG)
