from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.core import k_core

EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)


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
@given(events=EVENTS, k=st.integers(0, 4))
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
