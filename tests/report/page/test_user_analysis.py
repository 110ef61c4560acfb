from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.metrics import Metric, per_user
from bench.report.page.user_analysis import QueryFacts, analyze_users, buckets, standard_errors
from bench.report.tables.values import SlotValues
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
NDCG_OF_SECOND = 1 / np.log2(3)


@pytest.fixture
def values(run_store: RunStore, save_run: Save) -> Callable[..., SlotValues]:
    def read(*records: RunRecord) -> SlotValues:
        return SlotValues(records, tuple(run_store.ranks(record.id)[1] for record in records))

    return read


def test_wins_and_losses_are_counted_by_the_rank_of_the_positive(
    values: Callable[..., SlotValues], save_run: Save
) -> None:
    a, b = save_run("a", [0, 0, 9, 20]), save_run("b", [1, 0, 8, 29])
    (everyone,) = analyze_users([values(a), values(b)], "no data").axes
    assert everyone.counts == (4,)
    assert everyone.means[0] == pytest.approx([2 / 4])
    assert everyone.means[1] == pytest.approx([(1 + NDCG_OF_SECOND) / 4], abs=1e-6)
    (((wins, losses, _),),) = everyone.pairs
    assert (wins, losses) == (2, 1)  # ranks below the cut-off count as well


def test_a_tie_stands_in_the_middle_of_its_ranks(values: Callable[..., SlotValues], save_run: Save) -> None:
    tied, first, third = save_run("a", [0], tied=[2]), save_run("b", [0]), save_run("c", [2])
    (everyone,) = analyze_users([values(tied), values(first), values(third)], "").axes
    assert [pair[0][:2] for pair in everyone.pairs] == [(0, 1), (1, 0), (1, 0)]


def test_seeds_are_averaged_for_each_user(values: Callable[..., SlotValues], save_run: Save) -> None:
    seeds = values(save_run("a", [0, 5], seed=0), save_run("a", [4, 5], seed=1))
    other = values(save_run("b", [1, 6]))
    (everyone,) = analyze_users([seeds, other], "").axes
    assert everyone.pairs[0][0][:2] == (1, 1)
    assert everyone.counts == (2,)


def test_queries_are_parted_by_history_and_popularity(values: Callable[..., SlotValues], save_run: Save) -> None:
    a, b = save_run("a", [0, 0, 9, 9]), save_run("b", [1, 1, 0, 0])
    facts = QueryFacts(np.array([3, 3, 7, 7]), np.array([0, 5, 0, 5]), "Interactions")
    analysis = analyze_users([values(a), values(b)], facts)
    _, history, popularity = analysis.axes
    assert (history.labels, history.counts) == (("3", "4–7"), (2, 2))
    assert [bucket[:2] for bucket in history.pairs[0]] == [(2, 0), (0, 2)]
    assert [bucket[:2] for bucket in popularity.pairs[0]] == [(1, 1), (1, 1)]
    assert (popularity.title, analysis.missing) == ("Interactions", "")


def test_without_data_the_reason_stands_in_the_page(values: Callable[..., SlotValues], save_run: Save) -> None:
    analysis = analyze_users([values(save_run("a", [0, 1]))], "Nobody knows.")
    assert ([axis.name for axis in analysis.axes], analysis.missing) == (["all"], "Nobody knows.")


@given(st.lists(st.integers(0, 300), min_size=1, max_size=80), st.integers(1, 6))
def test_buckets_part_every_number_in_order(sizes: list[int], at_most: int) -> None:
    labels, bucket = buckets(np.array(sizes), at_most)
    assert len(labels) <= at_most
    assert set(bucket) == set(range(len(labels)))
    for number, label in enumerate(labels):
        low, _, high = label.partition("–")
        inside = np.array(sizes)[bucket == number]
        assert int(low) <= inside.min()
        assert inside.max() == int(high or low)


def test_standard_errors_are_scipys() -> None:
    rng = np.random.default_rng(0)
    differences, bucket = rng.normal(size=30), np.repeat([0, 1, 2], [10, 19, 1])
    expected = [stats.sem(differences[bucket == number]) for number in (0, 1)]
    found = standard_errors(differences, bucket, np.bincount(bucket))
    assert found[:2] == pytest.approx(expected, abs=1e-6)
    assert found[2] is None


def test_means_are_those_of_the_metric(values: Callable[..., SlotValues], save_run: Save, run_store: RunStore) -> None:
    record = save_run("a", [0, 1, 2, 5], tied=[0, 1, 0, 3])
    expected = per_user(run_store.ranks(record.id)[1], Metric.parse("ndcg@3")).mean()
    assert analyze_users([values(record)], "").axes[0].means[0] == pytest.approx([expected], abs=1e-6)
