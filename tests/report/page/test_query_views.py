from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.metrics import Ranks, Tops
from bench.report.page.query_views import LONGEST_TITLE, N_DISAGREEMENT, N_RANDOM, RowRanks, Titles, choose, query_views
from tests.report.page.conftest import HARMFUL_TITLE, lists_of


def row(better: Sequence[int], tops: Sequence[int] | None = None, counts: bool = True) -> RowRanks:
    n = len(better)
    top = None if tops is None else Tops(np.array(tops, np.int32), np.ones(n, np.float32), np.ones(n, np.int32))
    return RowRanks(Ranks(np.array(better), np.zeros(n, np.int64)), top, 30, counts)


def test_queries_on_which_rows_differ_most_come_first() -> None:
    better = [0] * 100
    differing = [9 if 20 <= number < 26 else 0 for number in range(100)]
    chosen = choose([row(better), row(differing)], 100, "board")
    disagreed = [number for number, why in chosen.items() if why == "disagreement"]
    assert sorted(disagreed) == [20, 21, 22, 23, 24, 25]  # equal queries are not filled up
    assert list(chosen)[:6] == disagreed
    assert len(chosen) == 6 + N_RANDOM


def test_rows_that_are_not_ranked_do_not_count_as_disagreement() -> None:
    chosen = choose([row([0] * 50), row([9] * 50, counts=False)], 50, "board")
    assert set(chosen.values()) == {"random"}


def test_few_queries_are_all_shown_once_and_the_draw_is_repeatable() -> None:
    rows = [row([0, 5, 9]), row([9, 5, 0])]
    assert sorted(choose(rows, 3, "board")) == [0, 1, 2]
    many = [row([n % 30 for n in range(900)]), row([n // 30 for n in range(900)])]
    assert choose(many, 29, "a") == choose(many, 29, "a")
    assert len(choose([row([0] * 60), row([n % 30 for n in range(60)])], 60, "a")) == N_DISAGREEMENT + N_RANDOM


def test_a_view_contains_history_candidates_ranks_and_tops_in_titles() -> None:
    titles = Titles()
    rows = [row([0, 3], [0, 5]), row([2, 1])]
    views = {view.number: view for view in query_views(rows, lists_of(2), "board", False, titles)}
    view = views[1]
    assert [titles.texts[item] for item in view.history] == [f"Bought {HARMFUL_TITLE}", "Item 61"]
    assert titles.texts[view.positive] == "Item 1"
    assert [titles.texts[item] for item in view.candidates][7:10] == [HARMFUL_TITLE, "(no title) id8", "Item 9"]
    assert view.ranks == ((3, 0), (1, 0))
    assert (view.tops[1], titles.texts[view.tops[0] or 0]) == (None, "Item 5")


def test_full_ranking_has_no_candidate_lists() -> None:
    (view, *_) = query_views([row([0, 3])], lists_of(2), "board", True, Titles())
    assert view.candidates == ()


def test_long_histories_and_titles_are_cut() -> None:
    titles, lists = Titles(), lists_of(1, history=40)
    lists.titles[0] = "x" * 500  # type: ignore[index]  # a list in this test
    (view,) = query_views([row([0])], lists, "board", False, titles)
    assert (view.n_history, len(view.history)) == (40, 20)
    assert titles.texts[view.history[-1]] == "Item 99"
    assert max(map(len, titles.texts)) == LONGEST_TITLE
