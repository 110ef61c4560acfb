from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.data.domain import Domain
from bench.errors import BenchError
from bench.metrics import Metric, per_user, rank_positive
from bench.plugin import Answers, Queries
from bench.protocol.full_ranking import CatalogueRanks, rank_in_catalogue, touched_pairs
from bench.protocol.task import QuerySet
from tests.support.heard import Heard

Ask = Callable[[QuerySet], NDArray[np.floating]]

# Three users of a shop of five items. The last item of each is asked for.
HISTORIES = ([0, 1, 4], [3, 2], [1, 2, 1])

TITLES = ("Tea", "Cup", "Pot", "Spoon", "tea ")


def quiet(_line: str) -> None: ...


def domain_of(histories: Any = HISTORIES, titles: tuple[str, ...] = TITLES) -> Domain:
    items = np.concatenate([np.asarray(history) for history in histories]).astype(np.int32)
    indptr = np.cumsum([0, *map(len, histories)]).astype(np.int64)
    names = np.array([str(number) for number in range(max(len(histories), len(titles)))])
    return Domain("toy", indptr, items, titles, names[: len(histories)], names[: len(titles)])


def queries_of(domain: Domain, lists: NDArray[np.integer], columns: Any) -> QuerySet:
    """Ask each user for what stands in their list's given column; the history is what came before the last item."""
    users = np.arange(domain.n_users)
    shown = [domain.history(user)[:-1] for user in users]
    indptr = np.cumsum([0, *map(len, shown)]).astype(np.int64)
    queries = Queries(users, indptr, np.concatenate(shown).astype(np.int32), lists.astype(np.int32))
    return QuerySet(queries, Answers(np.asarray(columns, np.int64)), "hash")


def by_table(table: Any) -> Ask:
    """Score item ``i`` for user ``u`` by ``table[u, i]``, whatever the list."""
    return lambda asked: np.asarray(table, float)[asked.queries.users[:, None], asked.queries.candidates]


TOY = queries_of(domain_of(), np.array([[4, 2], [0, 2], [0, 1]]), [0, 1, 1])

SCORES = [
    [9, 9, 5, 1, 3],  # item 4 is asked for: 0 and 1 were touched, so 2 alone is above, and 3 below
    [7, 7, 7, 9, 2],  # item 2 is asked for: 3 was touched, 0 and 1 tie, 4 is below
    [0, 1, 9, 2, 2],  # item 1 is asked for and was bought before: it stays, 2 was touched, 3 and 4 are above
]


def ranked(ask: Ask, queries: QuerySet = TOY, domain: Domain | None = None, **more: Any) -> CatalogueRanks:
    domain = domain or domain_of()
    return rank_in_catalogue("toy", ask, queries, domain, np.arange(domain.n_items), quiet, **more)


def test_ranks_in_a_catalogue_of_five_are_those_counted_by_hand() -> None:
    found = ranked(by_table(SCORES))
    assert found.ranks.better.tolist() == [1, 0, 2]
    assert found.ranks.tied.tolist() == [0, 2, 0]
    assert found.n_candidates.tolist() == [3, 4, 4]
    assert found.has_twin.tolist() == [False, False, False]  # of "Tea" and "tea ", user 0 touched the one


def test_what_a_record_states_follows_from_the_ranks() -> None:
    facts = ranked(by_table(SCORES)).facts()
    assert facts == {
        "n_items": 5,
        "mean_candidates": pytest.approx(11 / 3),
        "mean_rank": pytest.approx((2 + 2 + 3) / 3),
        "median_rank": 2,
        "auc": pytest.approx(1 - (1 / 2 + 1 / 3 + 2 / 3) / 3),
        "queries_with_twin": 0,
    }
    json.dumps(facts)


def test_a_title_of_the_positive_elsewhere_stays_and_is_counted() -> None:
    domain = domain_of(([1, 4], [3, 2]))
    found = ranked(by_table(np.ones((2, 5))), queries_of(domain, np.array([[4, 3], [2, 0]]), [0, 0]), domain)
    assert found.has_twin.tolist() == [True, False]
    assert found.ranks.tied.tolist() == [3, 3]


def test_ties_count_as_their_expected_value() -> None:
    found = ranked(by_table(np.zeros((3, 5))))
    assert found.ranks.better.tolist() == [0, 0, 0]
    assert (found.ranks.tied + 1).tolist() == found.n_candidates.tolist()
    assert per_user(found.ranks, Metric("hit", 1), 5) == pytest.approx([1 / 3, 1 / 4, 1 / 4])
    assert found.facts()["auc"] == pytest.approx(0.5)


def test_touched_items_are_those_of_any_part_once_and_without_the_positive() -> None:
    rows, items = touched_pairs(domain_of(), TOY.queries, np.array([4, 2, 1]))
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 3), (2, 2)]


@st.composite
def shops_with_lists(draw: st.DrawFn) -> tuple[Domain, QuerySet, NDArray[np.int64]]:
    """Draw histories, lists of the positive and untouched items, and coarse scores, so that there are ties."""
    n_items, n_users, length = draw(st.integers(6, 15)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    histories = [rng.integers(0, n_items, rng.integers(2, n_items - length + 1)) for _ in range(n_users)]
    lists, columns = [], []
    for history in histories:
        rest = np.setdiff1d(np.arange(n_items), history)
        column = int(rng.integers(length))
        lists.append(np.insert(rng.permutation(rest)[: length - 1], column, history[-1]))
        columns.append(column)
    domain = domain_of(histories, tuple(str(number) for number in range(n_items)))
    return domain, queries_of(domain, np.stack(lists), columns), rng.integers(0, 4, (n_users, n_items))


@given(shops_with_lists())
def test_a_positive_stands_no_higher_in_the_catalogue_than_in_a_list_taken_from_it(
    shop: tuple[Domain, QuerySet, NDArray[np.int64]],
) -> None:
    domain, queries, scores = shop
    ask = by_table(scores)
    full, listed = ranked(ask, queries, domain).ranks, rank_positive(ask(queries), queries.answers.positive_column)
    assert (full.better >= listed.better).all()
    assert (full.better + full.tied >= listed.better + listed.tied).all()


@given(shops_with_lists(), st.integers(1, 4))
def test_ranks_are_those_of_a_loop_over_users_and_items_whatever_the_chunks(
    shop: tuple[Domain, QuerySet, NDArray[np.int64]], at_once: int
) -> None:
    domain, queries, scores = shop
    found = ranked(by_table(scores), queries, domain, at_once=at_once)
    for user, positive in enumerate(queries.lists.positives):
        others = [item for item in range(domain.n_items) if item not in domain.history(user)]
        assert found.n_candidates[user] == len(others) + 1
        assert found.ranks.better[user] == sum(scores[user, item] > scores[user, positive] for item in others)
        assert found.ranks.tied[user] == sum(scores[user, item] == scores[user, positive] for item in others)
        candidates = [*others, int(positive)]
        highest = max(scores[user, item] for item in candidates)
        top = [item for item in candidates if scores[user, item] == highest]
        assert found.tops.top_item[user] == min(top)
        assert found.tops.top_count[user] == pytest.approx(np.mean(top))  # an item's number is its count here
        assert found.tops.positive_count[user] == positive


def test_a_chunk_is_one_list_of_all_items_and_progress_is_told() -> None:
    asked: list[QuerySet] = []
    heard = Heard()

    def ask(queries: QuerySet) -> NDArray[np.floating]:
        asked.append(queries)
        return by_table(SCORES)(queries)

    rank_in_catalogue("toy", ask, TOY, domain_of(), np.arange(5), heard, at_once=2)
    _lists, _compared, *chunks = asked
    assert [chunk.queries.users.tolist() for chunk in chunks] == [[0, 1], [2]]
    for chunk in chunks:
        common = chunk.queries.common_candidates
        assert common is not None
        assert common.tolist() == [0, 1, 2, 3, 4]
        assert chunk.queries.candidates.strides[0] == 0
    assert [steps[1:] for steps in heard.steps] == [(0, 3), (2, 3), (3, 3)]


def test_a_score_that_depends_on_the_list_is_refused() -> None:
    def by_place(asked: QuerySet) -> NDArray[np.floating]:
        return np.tile(np.arange(asked.queries.candidates.shape[1], dtype=float), (len(asked), 1))

    with pytest.raises(BenchError, match=r"Method 'toy' scores items differently in a list of 2 .* \(2 of 3 queries\)"):
        ranked(by_place)


def test_rounding_and_infinities_are_no_dependence_on_the_list() -> None:
    def rounded(asked: QuerySet) -> NDArray[np.floating]:
        scores = by_table([[5, 4, 3, 2, -np.inf]] * 3)(asked)
        return scores * (1 + 1e-6 * (asked.queries.candidates.shape[1] == 5))

    assert ranked(rounded).ranks.better.tolist() == [2, 2, 1]


def test_common_candidates_are_kept_once_and_survive_a_choice_of_rows() -> None:
    assert TOY.queries.common_candidates is None
    assert TOY.queries.distinct_candidates().tolist() == [0, 1, 2, 4]
    wide = TOY.queries.asked_about(np.array([3, 1]))
    taken = wide.take(np.array([2, 0]))
    for queries in (wide, taken):
        assert queries.common_candidates is not None
        assert queries.common_candidates.tolist() == [3, 1]
        assert queries.distinct_candidates().tolist() == [1, 3]
    assert taken.users.tolist() == [2, 0]
    assert taken.history(0).tolist() == [1, 2]
    assert taken.candidates.shape == (2, 2)


def test_an_item_that_was_touched_is_no_top() -> None:
    found = ranked(by_table(SCORES))
    assert found.tops.top_item.tolist() == [2, 0, 3]  # 0 and 1 of user 0, 3 of user 1 and 2 of user 2 were touched
    assert found.tops.top_count.tolist() == [2, 1, 3.5]  # user 1 puts 0, 1 and 2 level, user 2 puts 3 and 4
    assert found.tops.positive_count.tolist() == [4, 2, 1]
