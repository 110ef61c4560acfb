from __future__ import annotations

import numpy as np

from bench.data.domain import Domain


def small_domain() -> Domain:
    return Domain(
        name="shop",
        indptr=np.array([0, 3, 3, 5]),
        items=np.array([2, 0, 2, 1, 0], dtype=np.int32),
        titles=("Tea", "Cup", "Pot", "Mug"),
        user_ids=np.array(["ann", "bob", "cid"]),
        item_ids=np.array(["t", "c", "p", "m"]),
    )


def test_the_matrix_counts_each_pair_and_has_every_user_and_item() -> None:
    matrix = small_domain().matrix()
    assert matrix.format == "csr"
    assert matrix.dtype == np.float32
    assert matrix.toarray().tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    assert matrix.has_sorted_indices


def test_the_matrix_shares_no_memory_with_the_domain() -> None:
    domain = small_domain()
    matrix = domain.matrix()
    matrix.indices[:] = 0
    matrix.indptr[:] = 0
    assert domain.items.tolist() == [2, 0, 2, 1, 0]
    assert domain.indptr.tolist() == [0, 3, 3, 5]


def test_a_domain_shows_its_sizes_and_not_its_arrays() -> None:
    assert repr(small_domain()) == "Domain('shop': 3 users, 4 items, 5 interactions)"
