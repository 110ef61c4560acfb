from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.build import build_domain, count_repeats, k_core, primary_genre
from bench.data.card import Card, own_data_card
from bench.data.events import Events, ItemFacts, coded
from bench.errors import BenchError

OWN = own_data_card("shop")
DAY = 86_400
CODED_EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)


def events_of(
    rows: list[tuple[str, str]], times: list[int] | None = None, positions: list[int] | None = None
) -> Events:
    return Events(
        coded([user for user, _ in rows]),
        coded([item for _, item in rows]),
        None if times is None else np.array(times, dtype=np.int64),
        None if positions is None else np.array(positions, dtype=np.int64),
    )


def carded(**changes: object) -> Card:
    return dataclasses.replace(OWN, **changes)  # type: ignore[arg-type]


def items_of(domain, user: int) -> list[str]:  # type: ignore[no-untyped-def]
    return domain.item_ids[domain.history(user)].tolist()


def test_users_and_items_are_numbered_by_id_whatever_the_order_of_rows() -> None:
    rows = [("u2", "b"), ("u1", "c"), ("u1", "a")]
    domain = build_domain(OWN, events_of(rows, positions=[1, 1, 2]), ItemFacts())
    again = build_domain(OWN, events_of(rows[::-1], positions=[2, 1, 1]), ItemFacts())
    assert domain.user_ids.tolist() == ["u1", "u2"]
    assert domain.item_ids.tolist() == ["a", "b", "c"]
    assert items_of(domain, 0) == ["c", "a"]
    assert domain.content_hash == again.content_hash
    assert domain.items.dtype == np.int32
    assert domain.indptr.tolist() == [0, 2, 3]


def test_positions_outrank_timestamps() -> None:
    domain = build_domain(OWN, events_of([("u", "a"), ("u", "b")], times=[1, 2], positions=[2, 1]), ItemFacts())
    assert items_of(domain, 0) == ["b", "a"]
    assert domain.timestamps is not None
    assert domain.timestamps.tolist() == [2, 1]


def test_equal_timestamps_keep_the_order_of_the_file() -> None:
    rows = [("u", "c"), ("u", "a"), ("u", "d"), ("u", "b")]
    assert items_of(build_domain(OWN, events_of(rows, times=[5, 5, 1, 5]), ItemFacts()), 0) == ["d", "c", "a", "b"]


def test_without_times_and_positions_rows_are_taken_in_order_and_noted() -> None:
    domain = build_domain(OWN, events_of([("u", "b"), ("v", "a"), ("u", "a")]), ItemFacts())
    assert items_of(domain, 0) == ["b", "a"]
    assert domain.timestamps is None
    assert "No timestamps; histories are ordered by the rows' order." in domain.notes


def test_timestamps_that_are_all_unknown_are_none() -> None:
    domain = build_domain(OWN, events_of([("u", "b")], times=[-1], positions=[1]), ItemFacts())
    assert domain.timestamps is None
    assert "No timestamps; histories are ordered by positions." in domain.notes


def test_missing_titles_and_times_and_repeats_are_noted_with_counts() -> None:
    events = events_of([("u", "a"), ("u", "b"), ("u", "a")], times=[1, -1, 3])
    domain = build_domain(OWN, events, ItemFacts({"a": "A"}))
    assert domain.titles == ("A", "")
    assert domain.categories is None
    assert domain.notes == (
        "1 of 2 items have no title.",
        "1 of 3 interactions have no timestamp.",
        "1 repeated (user, item) events are kept.",
    )
    assert count_repeats(domain) == 1


def test_a_stand_in_says_so_first() -> None:
    card = carded(stands_in_for="the real thing.")
    domain = build_domain(card, events_of([("u", "a")], times=[1]), ItemFacts({"a": "A"}), "Second note.")
    assert domain.notes == ("Offline substitute for the real thing.", "Second note.")


def test_genres_keep_items_by_their_first_listed_genre() -> None:
    facts = ItemFacts(categories={"a": "Drama|War", "b": "War|Drama", "c": "Crime"})
    events = events_of([("u", "a"), ("u", "b"), ("u", "c"), ("v", "b")], times=[1, 2, 3, 4])
    domain = build_domain(carded(genres=("Drama", "Crime")), events, facts)
    assert domain.item_ids.tolist() == ["a", "c"]
    assert domain.user_ids.tolist() == ["u"]
    assert domain.categories == ("Drama|War", "Crime")
    assert primary_genre("Drama|War") == "Drama"


def test_one_a_day_keeps_one_event_of_each_user_and_day_reproducibly() -> None:
    rows = [("u", str(n)) for n in range(20)] + [("v", "0"), ("v", "1")]
    times = [n // 10 * DAY + n for n in range(20)] + [0, 1]
    card = carded(one_a_day=True)
    domain = build_domain(card, events_of(rows, times), ItemFacts())
    assert np.diff(domain.indptr).tolist() == [2, 1]
    assert domain.timestamps is not None
    assert (domain.timestamps // DAY).tolist() == [0, 1, 0]
    assert domain.content_hash == build_domain(card, events_of(rows, times), ItemFacts()).content_hash


def test_one_a_day_needs_timestamps() -> None:
    with pytest.raises(BenchError, match="needs timestamps"):
        build_domain(carded(one_a_day=True), events_of([("u", "a")]), ItemFacts())


def test_a_user_sample_keeps_about_the_share_and_is_nested() -> None:
    events = events_of([(f"user{n}", "a") for n in range(4000)], times=list(range(4000)))
    small, large = (build_domain(carded(user_share=share), events, ItemFacts()) for share in (0.3, 0.4))
    assert small.n_users == pytest.approx(1200, abs=100)
    assert set(small.user_ids) < set(large.user_ids)


def test_the_core_is_taken_after_the_other_filters() -> None:
    facts = ItemFacts(categories={"a": "Drama", "b": "War"})
    events = events_of([("u", "a"), ("u", "b"), ("v", "a"), ("v", "a"), ("v", "b")], times=[1, 2, 3, 4, 5])
    assert build_domain(carded(genres=("Drama",), k_core=2), events, facts).user_ids.tolist() == ["v"]


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(BenchError, match=r"'shop' has no interactions left after filtering \(k_core 5\)"):
        build_domain(carded(k_core=5), events_of([("u", "a")], times=[1]), ItemFacts())


def naive_k_core(events: list[tuple[int, int]], k: int) -> list[tuple[int, int]]:
    """Drop one offending user or item at a time."""
    while True:
        for column in (0, 1):
            counts = {code: sum(event[column] == code for event in events) for code in {e[column] for e in events}}
            offender = next((code for code, count in counts.items() if count < k), None)
            if offender is not None:
                events = [event for event in events if event[column] != offender]
                break
        else:
            return events


@settings(deadline=None)
@given(events=CODED_EVENTS, k=st.integers(0, 4))
def test_equals_dropping_one_offender_at_a_time(events: list[tuple[int, int]], k: int) -> None:
    users, items = (np.array([event[column] for event in events], dtype=np.int64) for column in (0, 1))
    keep = k_core(users, items, k)
    assert [event for event, kept in zip(events, keep, strict=True) if kept] == naive_k_core(events, k)


def test_filters_again_when_the_first_round_leaves_someone_short() -> None:
    users = np.array([0, 0, 1, 1, 2, 2, 2])
    items = np.array([0, 1, 0, 1, 0, 2, 1])
    assert k_core(users, items, 3).tolist() == [False] * 7
    assert k_core(users, items, 2).tolist() == [True, True, True, True, True, False, True]


def test_repeated_events_of_a_pair_each_count() -> None:
    assert k_core(np.array([0, 0]), np.array([0, 0]), 2).all()
