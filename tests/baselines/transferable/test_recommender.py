from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.transferable.model import (
    Batch,
    FineTuning,
    SequenceEncoder,
    flat_positions,
    info_nce,
    mixed,
    position_vectors,
)
from bench.baselines.unisrec import UniSRecModel, UniSRecParams
from torch.nn.functional import cross_entropy, normalize

from bench.learning.sequences import windows
from tests.support.transferable_toy import counting, source


@pytest.fixture
def encoder() -> SequenceEncoder:
    torch.manual_seed(0)
    return SequenceEncoder(16, 32, layers=2, heads=2, dropout=0.5, max_length=12).eval()


def everybody(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and users of rows that have neither in common."""
    return torch.arange(n), torch.arange(n)


def test_equal_vectors_lose_the_logarithm_of_the_batch() -> None:
    same = torch.ones(8, 4)
    assert info_nce(same, same, *everybody(8), temperature=0.07).item() == pytest.approx(math.log(8), abs=1e-5)


def test_it_is_the_cross_entropy_of_the_cosines() -> None:
    queries, keys = torch.randn(2, 6, 4).unbind()
    expected = cross_entropy(normalize(queries, dim=1) @ normalize(keys, dim=1).T / 0.07, torch.arange(6))
    assert info_nce(queries, keys, *everybody(6), temperature=0.07).item() == pytest.approx(expected.item(), rel=1e-5)


def test_another_example_of_the_same_item_is_left_out_or_counts_as_one() -> None:
    same, users = torch.ones(4, 2), torch.arange(4)
    targets = torch.tensor([5, 5, 6, 7])
    logit = 1 / 0.07
    clean, quirky = (info_nce(same, same, targets, users, 0.07, quirk).item() for quirk in (False, True))
    assert clean == pytest.approx((2 * math.log(3) + 2 * math.log(4)) / 4, abs=1e-5)
    with_one = math.log(3 * math.exp(logit) + 1) - logit
    assert quirky == pytest.approx((2 * with_one + 2 * math.log(4)) / 4, abs=1e-6)


def test_another_item_of_the_same_user_is_no_negative() -> None:
    same = torch.ones(4, 2)
    loss = info_nce(same, same, torch.arange(4), torch.tensor([0, 0, 1, 2]), 0.07)
    assert loss.item() == pytest.approx((2 * math.log(3) + 2 * math.log(4)) / 4, abs=1e-5)


def test_a_further_negative_joins_its_own_row_alone() -> None:
    same = torch.ones(4, 2)
    loss = info_nce(same, same, *everybody(4), temperature=0.07, more_negatives=same)
    assert loss.item() == pytest.approx(math.log(5), abs=1e-5)


def test_flat_positions_stand_one_stretch_after_another() -> None:
    assert flat_positions(np.array([4, 0, 9]), np.array([2, 0, 3])).tolist() == [4, 5, 9, 10, 11]


def test_positions_of_sequences_together_are_those_of_each_alone(encoder: SequenceEncoder) -> None:
    table = torch.randn(9, 16)
    histories = [[0, 1, 2, 3, 4], [5], [], [6, 7, 8]]
    items = np.array([item for history in histories for item in history])
    together = position_vectors(encoder, table, items, np.array([len(history) for history in histories]))
    alone = [encoder(table[history][None])[0] for history in histories if history]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_a_later_item_changes_no_earlier_position(encoder: SequenceEncoder) -> None:
    before = torch.randn(1, 10, 16)
    after = before.clone()
    after[0, 6] = torch.randn(16)
    torch.testing.assert_close(encoder(before)[:, :6], encoder(after)[:, :6], rtol=0, atol=0)
    assert not torch.isclose(encoder(before)[:, 6:], encoder(after)[:, 6:]).all(dim=-1).any()


def test_domains_are_mixed_without_sharing_items_or_users() -> None:
    first, second = source(10, "first", n_users=7), source(20, "second", n_users=5)
    sequences = mixed([first, second], max_length=12)
    batch = Batch.of(sequences, np.arange(len(sequences)))
    expected = [first.history(user) for user in range(7)]
    expected += [second.history(user) + first.n_items for user in range(5)]
    assert batch.items.tolist() == [item for history in expected for item in history[:-1]]
    assert batch.following.tolist() == [item for history in expected for item in history[1:]]
    assert batch.users.tolist() == [user for user, history in enumerate(expected) for _ in history[1:]]
    assert batch.following[batch.last].tolist() == [history[-1] for history in expected]


def test_fine_tuning_loses_the_cross_entropy_over_the_items_that_somebody_touched() -> None:
    domain = source(10, "toy", n_users=12)
    domain = domain.keeping(domain.items != 3)
    model = UniSRecModel(
        UniSRecParams(dimensions=16, experts=2), 8, SequenceEncoder(16, 32, 1, 2, dropout=0.0, max_length=12)
    ).eval()
    model.read(np.random.default_rng(0).standard_normal((domain.n_items, 8)).astype(np.float32))
    sequences = windows(domain, 12)
    batch = Batch.of(sequences, np.arange(len(sequences)))
    loss = FineTuning(domain, 12, 64, temperature=0.07).loss(model, batch)
    touched = np.flatnonzero(domain.item_counts())
    assert 3 not in touched
    table = model.vectors_of(np.arange(domain.n_items))
    vectors = position_vectors(model.encoder, table, batch.items, batch.lengths)
    logits = normalize(vectors, dim=1) @ normalize(table[touched], dim=1).T / 0.07
    expected = cross_entropy(logits, torch.from_numpy(np.searchsorted(touched, batch.following)))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_toy_counts_upwards(tmp_path: Path) -> None:
    assert counting(7, np.random.default_rng(0))[6][:3] == [1, 2, 3]
