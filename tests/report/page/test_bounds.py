from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from bench.registry import registry
from bench.report.page.bounds import LEVELS, Bounds, bounded
from bench.report.page.build import build_page
from bench.report.page.content import Page
from bench.report.page.user_analysis import QueryFacts
from bench.runs.record import RunRecord
from bench.runs.store import RunStore
from tests.report.page.conftest import lists_of

Save = Callable[..., RunRecord]
N = 4


@pytest.fixture
def many(run_store: RunStore, save_run: Save) -> Page:
    """Six variants of one method with two seeds each, and one run of another."""
    for layers in range(6):
        for seed in (0, 1):
            save_run("bpr", [layers, 0, 3, 9], overrides={"layers": layers}, seed=seed)
    save_run("random", [9, 9, 9, 9])
    facts = QueryFacts(lists_of(N).positives, lists_of(N).positives, "Popularity", lists_of(N))
    return build_page(run_store, registry(), lambda _record: facts)


def test_without_bounds_nothing_is_left_out(many: Page) -> None:
    whole = bounded(many, Bounds())
    assert whole.left_out == ()
    assert (whole.boards, whole.runs) == (many.boards, many.runs)
    assert [whole.titles[item] for item in whole.boards[0].queries[0].candidates] == [
        many.titles[item] for item in many.boards[0].queries[0].candidates
    ]


def test_the_best_rows_of_each_method_are_kept(many: Page) -> None:
    (board,) = bounded(many, Bounds(rows=2)).boards
    assert [row.label for row in board.rows] == ["bpr (layers=0)", "bpr (layers=1)", "random"]
    assert [len(axis.means) for axis in board.users.axes] == [3, 3, 3]
    assert all(len(query.ranks) == len(query.tops) == 3 for query in board.queries)


def test_pairs_stay_those_of_their_rows(many: Page) -> None:
    (whole,), (board,) = many.boards, bounded(many, Bounds(rows=2, compared=2)).boards
    first, last = board.users.rows
    assert [board.rows[place].label for place in (first, last)] == ["bpr (layers=0)", "random"]
    labels = [row.label for row in whole.rows]
    a, b = labels.index("bpr (layers=0)"), labels.index("random")
    place = [(x, y) for x in range(len(labels)) for y in range(x + 1, len(labels))].index((a, b))
    assert board.users.axes[0].pairs == (whole.users.axes[0].pairs[place],)


def test_runs_of_the_best_rows_keep_their_pages(many: Page) -> None:
    kept = bounded(many, Bounds(runs=2)).runs
    assert {run.method for run in kept} == {"bpr", "random"}
    assert all(run.variant in ("", "layers=0") for run in kept)


def test_what_is_left_out_is_said(many: Page) -> None:
    page = bounded(many, Bounds(rows=1, compared=1, runs=3, queries=0))
    assert page.left_out == (
        "Leaderboards show up to 1 row of each method: 2 of 7 rows.",
        "3 of 13 runs have a page, those of the best rows first.",
        "Wins and losses are given for up to 1 row of each board.",
        "No queries are shown.",
    )
    assert page.titles == ()


def test_only_the_titles_of_shown_queries_are_kept(many: Page) -> None:
    page = bounded(many, Bounds(queries=1))
    (query,), (before, *_) = page.boards[0].queries, many.boards[0].queries
    shown = [page.titles[item] for item in (*query.history, *query.candidates, query.positive)]
    assert shown == [many.titles[item] for item in (*before.history, *before.candidates, before.positive)]
    assert set(page.titles) == set(shown)


def test_each_level_is_smaller_than_the_one_before() -> None:
    for larger, smaller in pairwise(LEVELS[1:]):
        pairs = [(getattr(larger, name), getattr(smaller, name)) for name in ("rows", "compared", "runs", "queries")]
        assert all(after is not None and (before is None or after < before) for before, after in pairs)
