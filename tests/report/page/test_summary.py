from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.registry import registry
from bench.report.page.build import build_page
from bench.report.page.content import Page
from bench.report.page.summary import complete_block, places, win_rate
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


def built(store: RunStore) -> Page:
    return build_page(store, registry(), lambda _record: "no data")


def test_equal_values_share_the_mean_of_their_places() -> None:
    assert places([0.5, 0.9, 0.5, 0.1]) == [2.5, 1.0, 2.5, 4.0]


def test_a_win_rate_counts_ties_half() -> None:
    assert win_rate(0.5, [0.1, 0.5, 0.9, 0.2]) == pytest.approx(2.5 / 4)


def test_the_largest_complete_comparison_is_chosen() -> None:
    methods = {"small": {"a", "b"}, "beauty": {"a", "b", "c", "d"}, "toys": {"a", "b", "c"}}
    assert complete_block(methods) == ("beauty", "toys")  # 3 methods on 2 datasets, instead of 2 on 3


def test_datasets_without_common_methods_are_not_compared() -> None:
    assert complete_block({"beauty": {"a", "b"}, "toys": {"b", "c"}}) == ()
    assert complete_block({"beauty": {"a", "b"}}) == ()


def test_mean_rank_and_win_rate_are_those_of_the_best_rows(run_store: RunStore, save_run: Save) -> None:
    for dataset, bpr, sasrec in (("beauty", 0, 1), ("toys", 2, 0)):
        save_run("bpr", [bpr], dataset=dataset)
        save_run("bpr", [29], dataset=dataset, overrides={"layers": 9})
        save_run("sasrec", [sasrec], dataset=dataset)
        save_run("random", [20], dataset=dataset)
        save_run("p5", [0], dataset=dataset, toy=True)
    save_run("fmlp", [0])
    (summary,) = built(run_store).summaries
    assert (summary.title, summary.dataset_names, summary.other_methods) == ("warm", ("Beauty", "Toys"), ("FMLP-Rec",))
    assert [(row.name, row.mean_rank, row.win_rate) for row in summary.rows] == [
        ("BPR-MF", 1.5, 0.75),
        ("SASRec", 1.5, 0.75),
        ("Random", 3.0, 0.0),
    ]
    assert summary.rows[0].values == pytest.approx((1.0, 0.5))


def test_of_two_boards_of_a_dataset_the_one_with_more_queries_counts(run_store: RunStore, save_run: Save) -> None:
    for dataset in ("beauty", "toys"):
        save_run("bpr", [0, 0], dataset=dataset)
        save_run("random", [9, 9], dataset=dataset)
    save_run("bpr", [29], limit_queries=1)
    save_run("random", [0], limit_queries=1)
    (summary,) = built(run_store).summaries
    assert [row.name for row in summary.rows] == ["BPR-MF", "Random"]
    assert "1" not in {board.rpartition("-")[2] for board in summary.boards}
