from __future__ import annotations

import numpy as np

from bench.lm.decoders.examples import training_queries, untouched_items
from tests.support.text_toys import domain_of, planted_groups


def test_the_last_item_is_asked_for_among_items_never_touched() -> None:
    domain = planted_groups(30)
    queries = training_queries(domain, 12, 0)
    assert len(queries) == len(set(queries.users)) == 12
    for row, user in enumerate(queries.users):
        history = domain.history(user)
        np.testing.assert_array_equal(queries.history(row), history[:-1])
        assert set(queries.candidates[row]) & set(history) == {history[-1]}
        assert len(set(queries.candidates[row])) == 30


def test_the_sample_follows_the_seed() -> None:
    domain = planted_groups(60)
    first, again, other = (training_queries(domain, 5, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.candidates, again.candidates)
    assert set(first.users) != set(other.users)


def test_only_users_that_can_be_asked_are() -> None:
    titles = [f"title {item}" for item in range(40)]
    domain = domain_of([[0], list(range(20)), [1, 2, 3], list(range(20, 40))], titles)
    queries = training_queries(domain, 10, 0)
    assert queries.users.tolist() == [2]
    assert training_queries(domain_of([[0], [1]], titles), 10, 0).candidates.shape == (0, 30)


def test_negatives_are_untouched_and_were_trained_on_by_somebody(make_domain) -> None:
    domain = make_domain()
    drawn = untouched_items(domain, 0, 10, np.random.default_rng(0))
    assert len(set(drawn.tolist())) == 10
    assert not np.isin(drawn, domain.history(0)).any()
    assert (domain.item_counts()[drawn] > 0).all()
