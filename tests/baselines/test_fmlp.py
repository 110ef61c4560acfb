from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines.fmlp import FMLP, Filter
from bench.baselines.sasrec import SASRec
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from bench.learning.sequences import prefixes
from bench.plugin import Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, planted_successors, queries_of, task_of
from tests.support.sequential_behaviors import SequentialBehaviors, planted_with_cold_items

SLOTS, DIMENSIONS = 50, 64


class TestBehaviorWithTheBinaryLoss(SequentialBehaviors):
    recommender = FMLP
    quick = {"batch_size": 32, "learning_rate": 3e-3, "dropout": 0.1, "max_length": 12, "epochs": 5}  # noqa: RUF012


class TestBehaviorWithCrossEntropy(SequentialBehaviors):
    recommender = FMLP
    quick = {  # noqa: RUF012
        "batch_size": 32,
        "learning_rate": 1e-2,
        "dropout": 0.1,
        "max_length": 12,
        "epochs": 3,
        "loss": "ce",
    }

    def test_the_facts_of_a_fit_are_stated(self, tmp_path: Path) -> None:
        recommender = self.fitted(planted_successors(tmp_path, n_users=20)[0], epochs=1)
        assert "with loss=ce, zero in the cold setting" in recommender.entry.cold_rule
        assert any("Cross-entropy" in deviation for deviation in recommender.deviations())


def untrained(task: Task, **params: object) -> FMLP:
    recommender = FMLP(FMLP.Params(**{"epochs": 0, "max_length": 12, **params}))
    recommender.fit(task)
    recommender.model.eval()
    return recommender


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return planted_successors(tmp_path, n_users=20)[0]


# The filter


def filter_with(weight: Tensor) -> Filter:
    made = Filter(SLOTS, DIMENSIONS)
    made.weight.data = torch.view_as_real(weight[:, None].expand(-1, DIMENSIONS).to(torch.complex64)).contiguous()
    return made


@pytest.fixture
def hidden() -> Tensor:
    return torch.randn(3, SLOTS, DIMENSIONS, generator=torch.Generator().manual_seed(0))


def test_a_weight_of_one_lets_everything_pass(hidden: Tensor) -> None:
    everything = filter_with(torch.ones(SLOTS // 2 + 1))
    assert (everything(hidden) - hidden).abs().max().item() < 2e-6
    assert (everything.at_last(hidden) - hidden[:, -1]).abs().max().item() < 2e-6


def test_a_turning_weight_shifts_round_by_one_slot(hidden: Tensor) -> None:
    turning = filter_with(torch.exp(-2j * math.pi * torch.arange(SLOTS // 2 + 1) / SLOTS))
    torch.testing.assert_close(turning(hidden), hidden.roll(1, dims=1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(turning.at_last(hidden), hidden[:, -2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("slots", [50, 7])
def test_the_last_slot_alone_is_that_of_all_slots_and_so_are_its_gradients(slots: int) -> None:
    made = Filter(slots, DIMENSIONS)
    hidden = torch.randn(3, slots, DIMENSIONS, requires_grad=True)
    gradients = []
    for last in (made(hidden)[:, -1], made.at_last(hidden)):
        made.weight.grad = hidden.grad = None
        last.square().sum().backward()
        gradients.append((last.detach(), made.weight.grad, hidden.grad))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


# The model


def test_a_filter_has_3328_numbers_and_a_block_36672(task: Task) -> None:
    block = untrained(task, max_length=SLOTS).model.blocks[0]
    counts = [sum(weights.numel() for weights in part.parameters()) for part in (block.filter, block)]
    assert counts == [3_328, 36_672]


def test_the_last_block_at_its_last_slot_is_the_whole_model(task: Task) -> None:
    model = untrained(task).model
    items, lengths = torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([3, 1])
    with torch.no_grad():
        slots = model.slots(items, lengths)
        for block in model.blocks:
            slots = block(slots)
        torch.testing.assert_close(model(items, lengths), slots[:, -1], rtol=1e-5, atol=1e-6)


def test_the_last_item_is_in_the_last_slot_and_padding_before_the_first(task: Task) -> None:
    model = untrained(task, max_length=5).model
    slots = model.slots(torch.tensor([[7, 8, 0], [9, 10, 11]]), torch.tensor([2, 3]))
    ids = torch.tensor([[0, 0, 0, 7, 8], [0, 0, 9, 10, 11]])
    torch.testing.assert_close(slots, model.norm(model.item_embedding(ids) + model.position_embedding.weight))


def test_how_far_a_batch_is_padded_changes_nothing(task: Task) -> None:
    model = untrained(task).model
    items, lengths = torch.tensor([[1, 2, 3]]), torch.tensor([3])
    assert torch.equal(model(items, lengths), model(nn.functional.pad(items, (0, 9)), lengths))


def test_the_empty_slots_enter_the_filter(task: Task) -> None:
    model = untrained(task).model
    items, lengths = torch.tensor([[1, 2, 3]]), torch.tensor([3])
    before = model(items, lengths)
    model.item_embedding.weight.data[0] += torch.randn(DIMENSIONS)
    assert not torch.allclose(before, model(items, lengths), atol=1e-5)


class AttentionAsFilter(nn.Module):
    """RecBole's causal self-attention in the place of a filter, without the shortcut and normalization after it."""

    def __init__(self, attention: Any, mask: Tensor) -> None:
        super().__init__()
        self.attention, self.mask = attention, mask
        attention.LayerNorm = nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        attended: Tensor = self.attention(hidden, self.mask) - hidden
        return attended

    def at_last(self, hidden: Tensor) -> Tensor:
        return self.forward(hidden)[:, -1]


def test_with_attention_in_place_of_the_filters_it_is_sasrec(task: Task) -> None:
    sasrec = SASRec(SASRec.Params(epochs=0, max_length=12))
    sasrec.fit(task)
    theirs, ours = sasrec.model.eval(), untrained(task).model
    items, lengths = torch.randint(1, 61, (4, 12), generator=torch.Generator().manual_seed(0)), torch.full((4,), 12)
    expected = theirs(items, lengths)  # full histories: nothing is padded on either side
    ours.item_embedding, ours.position_embedding = theirs.item_embedding, theirs.position_embedding
    ours.norm = theirs.LayerNorm
    for block, layer in zip(ours.blocks, theirs.trm_encoder.layer, strict=True):
        attention, feed_forward = layer.multi_head_attention, layer.feed_forward
        block.filter_norm, block.norm = attention.LayerNorm, feed_forward.LayerNorm
        block.widen, block.narrow = feed_forward.dense_1, feed_forward.dense_2
        block.filter = AttentionAsFilter(attention, theirs.get_attention_mask(items))
    torch.testing.assert_close(ours(items, lengths), expected, rtol=1e-4, atol=1e-5)


def test_only_the_last_items_of_a_long_history_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    history = [int(item) for item in rng.permutation(60)[:20]]
    longer = [int(item) for item in rng.permutation(60)[:5]] + history[-12:]
    (one, answers), (other, _) = (queries_of([each], [59], 60, np.random.default_rng(0)) for each in (history, longer))
    recommender = untrained(task_of(domain_of([history], 60), (one, answers), tmp_path))
    same = type(one)(other.users, other.history_indptr, other.history_items, one.candidates)
    np.testing.assert_allclose(recommender.score(one), recommender.score(same), rtol=1e-5, atol=1e-6)


# The losses


def test_the_binary_loss_of_zero_logits_is_two_ln_2(task: Task) -> None:
    recommender = untrained(task)
    recommender.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([2 * math.log(2)] * len(losses), abs=1e-6)


def test_the_cross_entropy_of_zero_logits_is_the_logarithm_of_the_catalogue_and_its_padding(task: Task) -> None:
    recommender = untrained(task, loss="ce")
    recommender.model.item_embedding.weight.data.zero_()
    losses = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(0))]
    assert losses == pytest.approx([math.log(task.target.n_items + 1)] * len(losses), abs=1e-5)


def test_the_binary_loss_is_that_of_one_right_and_one_wrong_item_at_the_last_position(task: Task) -> None:
    recommender = untrained(task, batch_size=10_000)
    examples = prefixes(task.target, 12)
    order = np.random.default_rng(3).permutation(len(examples))
    found = [loss.item() for loss in recommender.learner.losses(np.random.default_rng(3))]
    after_order = np.random.default_rng(3)
    after_order.permutation(len(examples))
    wrong = recommender.learner.untouched(examples.users[order], after_order) + 1
    items, lengths = examples.padded(order), examples.lengths[order]
    with torch.no_grad():
        vectors = recommender.model(torch.from_numpy(items), torch.from_numpy(lengths))
        embedding = recommender.model.item_embedding
        right, other = (
            (vectors * embedding(torch.from_numpy(ids))).sum(dim=1) for ids in (examples.following(order), wrong)
        )
        expected = -(logsigmoid(right) + logsigmoid(-other)).mean()
    assert found == pytest.approx([expected.item()], abs=1e-6)


def test_every_prefix_is_an_example(task: Task) -> None:
    recommender = untrained(task, batch_size=7)
    n_prefixes = task.target.n_interactions - task.target.n_users
    assert len(list(recommender.learner.losses(np.random.default_rng(0)))) == math.ceil(n_prefixes / 7)


def test_wrong_items_are_untouched_and_uniform_over_the_catalogue(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    histories = [[0, 1, 2, 3, 0], [4, 5, 6]]
    task = task_of(domain_of(histories, 50), queries_of(histories, [7, 8], 50, rng), tmp_path)
    users = np.repeat([0, 1], 20_000)
    drawn = untrained(task).learner.untouched(users, rng)
    for user, history in enumerate(histories):
        counts = np.bincount(drawn[users == user], minlength=50)
        assert not counts[history].any()
        others = np.delete(counts, np.unique(history))
        assert np.abs(others - others.mean()).max() < 5 * math.sqrt(others.mean())


def test_a_user_who_touched_everything_is_left_out_of_the_binary_loss(tmp_path: Path) -> None:
    histories = [list(range(40)), [3, 4, 5]]
    queries = queries_of([[1], [2]], [3, 6], 40, np.random.default_rng(0))
    recommender = untrained(task_of(domain_of(histories, 40), queries, tmp_path), batch_size=1000)
    assert all(math.isfinite(loss.item()) for loss in recommender.learner.losses(np.random.default_rng(0)))


@pytest.mark.parametrize(("loss", "kept"), [("ce", True), ("bce", False)])
def test_an_item_that_nobody_touched_is_only_ever_a_wrong_answer_of_the_binary_loss(
    tmp_path: Path, loss: str, kept: bool
) -> None:
    task = planted_with_cold_items(tmp_path)[0]
    before, after = (untrained(task, epochs=n, loss=loss, weight_decay=0.1).model.item_embedding.weight for n in (0, 1))
    assert torch.equal(before[46:], after[46:]) is kept
    assert not torch.isclose(before[1:46], after[1:46]).all(dim=1).any()


def test_it_is_registered() -> None:
    assert registry().recommender("fmlp") is FMLP
    assert registry().entry("fmlp").family == "sequential"
