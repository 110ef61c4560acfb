from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from bench.data.domain import Domain
from bench.lm.encoders.tower_batches import RECENCY_DECAY, Positions, TowerBatch
from tests.support.text_toys import domain_of

N_ITEMS, HISTORY = 60, 5
UNTITLED = (3, 17, 40)
NEVER_TRAINED = (55, 56, 57, 58, 59)


@pytest.fixture(scope="module")
def domain() -> Domain:
    """Users of very different length, one who touched nothing, one a single item, and popular items."""
    rng = np.random.default_rng(0)
    chances = 1.0 / np.arange(1, 56)
    lengths = [0, 1, 2, 17, 30, *rng.integers(2, 9, size=40)]
    histories = [
        [int(item) for item in rng.choice(55, size=n, replace=False, p=chances / chances.sum())] for n in lengths
    ]
    titles = ["" if item in UNTITLED else f"title {item}" for item in range(N_ITEMS)]
    return domain_of(histories, titles)


@pytest.fixture(scope="module")
def positions(domain: Domain) -> Positions:
    return Positions(domain, HISTORY)


def batches_of(positions: Positions, seed: int = 0, n_negatives: int = 8, batch_size: int = 30) -> list:
    rng = np.random.default_rng(seed)
    return [(places, positions.batch(places, n_negatives, rng)) for places in positions.epoch(0, batch_size, rng)]


def all_places(domain: Domain) -> list[int]:
    """Return the place of each item that has a title and stands after another of its user."""
    return [
        place
        for user in range(domain.n_users)
        for place in range(int(domain.indptr[user]) + 1, int(domain.indptr[user + 1]))
        if domain.titles[domain.items[place]]
    ]


def user_of(domain: Domain, place: int) -> int:
    return next(user for user in range(domain.n_users) if domain.indptr[user] <= place < domain.indptr[user + 1])


def weights_of(batch: TowerBatch, row: int) -> dict[int, float]:
    used = np.flatnonzero(batch.history_weights[row])
    return {int(batch.items[column]): float(batch.history_weights[row, column]) for column in used}


def test_an_epoch_has_every_titled_item_with_a_history_once(domain: Domain, positions: Positions) -> None:
    for seed in range(3):
        epoch = positions.epoch(0, 30, np.random.default_rng(seed))
        assert sorted(np.concatenate(epoch).tolist()) == all_places(domain)


def test_epochs_differ_in_their_order_and_equal_seeds_do_not(positions: Positions) -> None:
    first, second, again = (np.concatenate(positions.epoch(0, 30, np.random.default_rng(seed))) for seed in (0, 1, 0))
    assert first.tolist() == again.tolist() != second.tolist()


def test_batches_have_about_the_size_asked_for(positions: Positions) -> None:
    sizes = [len(places) for places in positions.epoch(0, 30, np.random.default_rng(0))]
    assert max(sizes) < 30 + HISTORY
    assert min(sizes[:-1]) > 30 - HISTORY
    assert len(sizes) == -(-sum(sizes) // 30)


@pytest.mark.parametrize("n", [1, 50, 100])
def test_a_sample_has_as_many_examples_as_asked_for_and_another_each_epoch(positions: Positions, n: int) -> None:
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(positions.epoch(n, 30, rng)) for _ in range(2))
    assert n <= len(first) < n + HISTORY
    assert len(set(first.tolist())) == len(first)
    assert set(first.tolist()) != set(second.tolist())


def test_more_examples_than_there_are_take_all(domain: Domain, positions: Positions) -> None:
    epoch = positions.epoch(10**6, 30, np.random.default_rng(0))
    assert sum(map(len, epoch)) == len(all_places(domain))


def test_a_long_history_is_cut_into_runs_of_one_user(domain: Domain, positions: Positions) -> None:
    longest = int(np.argmax(np.diff(domain.indptr)))
    runs = [run for run in positions.runs if user_of(domain, int(run[0])) == longest]
    assert max(len(run) for run in positions.runs) == HISTORY
    assert all(len({user_of(domain, int(place)) for place in run}) == 1 for run in positions.runs)
    assert len(runs) == -(-sum(map(len, runs)) // HISTORY) > 3


def test_histories_are_the_last_items_before_the_next_weighted_by_recency(domain: Domain, positions: Positions) -> None:
    for places, batch in batches_of(positions):
        for row, place in enumerate(places):
            start = max(int(domain.indptr[user_of(domain, place)]), place - HISTORY)
            read = domain.items[start:place].tolist()
            expected = {item: RECENCY_DECAY**back for back, item in enumerate(reversed(read))}
            assert weights_of(batch, row) == pytest.approx(expected)
            assert batch.items[batch.targets[row]] == domain.items[place]


def test_an_item_that_is_read_twice_has_the_sum_of_its_weights() -> None:
    domain = domain_of([[0, 1, 0, 2]], ["a", "b", "c"])
    batch = Positions(domain, 20).batch(np.array([3]), 0, np.random.default_rng(0))
    assert weights_of(batch, 0) == pytest.approx({0: 1 + RECENCY_DECAY**2, 1: RECENCY_DECAY})


def test_wrong_answers_are_all_titled_items_of_the_batch_but_the_users_own(domain, positions) -> None:
    """A user's later items are excluded too, for they are right answers of other positions."""
    for places, batch in batches_of(positions):
        assert np.array_equal(batch.items, np.unique(batch.items))
        for row, place in enumerate(places):
            own = set(domain.history(user_of(domain, place)).tolist())
            wrong = batch.items[~batch.excluded[row]].tolist()
            expected = set(batch.items.tolist()) - own - set(UNTITLED) | {int(domain.items[place])}
            assert set(wrong) == expected


def test_drawn_wrong_answers_were_trained_on_by_somebody_and_have_a_title(domain, positions) -> None:
    drawn: Counter[int] = Counter()
    for seed in range(200):
        batch = positions.batch(np.array([1 + int(domain.indptr[2])]), 10, np.random.default_rng(seed))
        own = domain.history(2).tolist()
        drawn.update(int(item) for item in batch.items if item not in own)
    trained = {item for item in range(N_ITEMS) if domain.item_counts()[item]}
    assert set(drawn) == trained - set(UNTITLED) - set(domain.history(2).tolist())
    counts = np.array(list(drawn.values()))
    assert counts.min() > 0.5 * counts.mean()
    assert counts.max() < 1.7 * counts.mean()


def test_no_more_are_drawn_than_there_are(domain: Domain, positions: Positions) -> None:
    batch = positions.batch(np.array([1 + int(domain.indptr[2])]), 10**6, np.random.default_rng(0))
    assert set(positions.offered) <= set(batch.items.tolist())
    titled = np.isin(batch.items, positions.offered)
    np.testing.assert_allclose(batch.log_chances[titled], 0.0, atol=1e-6)


@pytest.mark.parametrize(("n_negatives", "batch_size"), [(0, 60), (10, 60), (50, 150)])
def test_log_chances_are_those_of_an_item_to_be_in_a_batch(n_negatives: int, batch_size: int) -> None:
    """Over many batches, up to a factor that all items share and the softmax cancels.

    There is one, for a run reads an item more than it has positions.
    """
    n_items, rng = 300, np.random.default_rng(0)
    chances = np.arange(1, n_items + 1) ** -0.7
    histories = [
        [int(item) for item in rng.choice(n_items, size=n, replace=False, p=chances / chances.sum())]
        for n in rng.integers(2, 9, size=400)
    ]
    positions = Positions(domain_of(histories, [f"title {item}" for item in range(n_items)]), 20)
    seen, stated = np.zeros(n_items), np.full(n_items, np.nan)
    sets = [batch for seed in range(40) for batch in batches_of(positions, seed, n_negatives, batch_size)[:-1]]
    for places, batch in sets:
        seen[batch.items] += 1
        if len(places) == batch_size:
            stated[batch.items] = batch.log_chances
    known = np.isfinite(stated)
    found = np.log(seen[known] / len(sets))
    assert known.sum() > 250
    assert found.std() > 0.3
    assert (found - stated[known]).std() < 0.08
    assert abs((found - stated[known]).mean()) < 0.25


def test_items_without_a_title_are_read_but_never_asked_for(domain: Domain, positions: Positions) -> None:
    asked = set(domain.items[np.concatenate(positions.epoch(0, 30, np.random.default_rng(0)))].tolist())
    assert not asked & set(UNTITLED)
    batches = [batch for _, batch in batches_of(positions)]
    read = {item for batch in batches for row in range(len(batch.targets)) for item in weights_of(batch, row)}
    assert read & set(UNTITLED)


def test_a_domain_without_histories_has_no_positions(domain: Domain) -> None:
    nobody = dataclasses.replace(domain, items=domain.items[:0], indptr=np.zeros_like(domain.indptr))
    assert Positions(nobody, HISTORY).epoch(0, 30, np.random.default_rng(0)) == []
