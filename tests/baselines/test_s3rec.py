from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines.networks.s3rec_pretraining import Batch, BatchMaker, Losses, Pretraining, Weights, title_attributes
from bench.baselines.s3rec import S3Rec
from bench.baselines.sasrec import SASRec

from bench.metrics import Metric, chance
from bench.plugin import Queries, Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_successors, queries_of, task_of

QUICK: dict[str, Any] = {
    "batch_size": 16,
    "learning_rate": 5e-3,
    "dropout": 0.2,
    "max_length": 12,
    "pretrain_epochs": 2,
    "pretrain_batch_size": 32,
    "min_titles": 2,
    "max_title_share": 0.5,
}


def grouped(task: Task) -> Task:
    """Give each ten neighbors of the planted catalogue a word in common."""
    titles = tuple(f"item {item} of group{item // 10}" for item in range(task.target.n_items))
    return replace(task, target=replace(task.target, titles=titles))


def made(task: Task, **params: object) -> S3Rec:
    recommender = S3Rec(S3Rec.Params(**{**QUICK, **params}))
    recommender.fit(task)
    return recommender


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Task, Queries]:
    task, queries, _ = planted_successors(tmp_path, n_users=40)
    return grouped(task), queries


@pytest.fixture
def stage(planted: tuple[Task, Queries]) -> Pretraining:
    recommender = made(planted[0], epochs=0, pretrain_epochs=0)
    return Pretraining(recommender.model, recommender.attributes).eval()


def maker_of(task: Task, mask_share: float = 0.2) -> BatchMaker:
    return BatchMaker(task.target, max_length=12, batch_size=32, mask_share=mask_share)


def a_batch(task: Task, mask_share: float = 0.2) -> Batch:
    return next(maker_of(task, mask_share).epoch(np.random.default_rng(0)))


# The recommender


def test_the_successor_of_each_item_is_learned(tmp_path: Path) -> None:
    task, queries, answers = planted_successors(tmp_path)
    assert ndcg_at_1(made(grouped(task), epochs=12), queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path) -> None:
    task, queries, answers = planted_successors(tmp_path, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    scored = ndcg_at_1(made(grouped(task), epochs=3), queries, answers)
    assert scored == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_without_the_first_stage_it_is_sasrec_with_the_binary_loss_bit_for_bit(
    planted: tuple[Task, Queries],
) -> None:
    task, queries = planted
    shared = {name: QUICK[name] for name in ("batch_size", "learning_rate", "dropout", "max_length")}
    theirs = SASRec(SASRec.Params(**shared, loss="bce", epochs=3))
    theirs.fit(task)
    ours = made(task, pretrain_epochs=0, epochs=3)
    assert np.array_equal(ours.score(queries), theirs.score(queries))
    assert ours.report().training.curves["losses"] == theirs.report().training.curves["losses"]
    assert ours.report().trained_parameters == theirs.report().trained_parameters


def test_the_first_stage_changes_the_weights_that_the_second_begins_with(planted: tuple[Task, Queries]) -> None:
    task, _ = planted
    before, after = (made(task, epochs=0, pretrain_epochs=epochs).model.state_dict() for epochs in (0, 1))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"item_embedding.weight", "position_embedding.weight", "LayerNorm.weight"} <= changed
    assert any(name.startswith("trm_encoder.layer.1") for name in changed)


def test_the_four_losses_fall(planted: tuple[Task, Queries]) -> None:
    recommender = made(planted[0], epochs=0, pretrain_epochs=6, pretrain_learning_rate=5e-3)
    report = recommender.report()
    assert report.stages["pretraining"].curves["losses"][-1] < 0.8 * report.stages["pretraining"].curves["losses"][0]
    assert report.stages["pretraining"].epochs == 6
    assert report.extra["n_attributes"] == report.extra["n_attribute_words"] == 6
    assert recommender.deviations()


def test_a_stored_model_is_read_back_and_an_equal_training_is_equal(
    planted: tuple[Task, Queries], tmp_path: Path
) -> None:
    task, queries = planted
    lines: list[str] = []
    task = replace(task, progress=lines.append)
    elsewhere = replace(task, artifacts=type(task.artifacts)(tmp_path / "elsewhere"))
    first, second, third = (made(each, epochs=1) for each in (task, task, elsewhere))
    assert len(lines) == 2 * (2 + 1)
    assert np.array_equal(first.score(queries), second.score(queries))
    assert np.array_equal(first.score(queries), third.score(queries))
    assert first.report() == second.report()


def test_another_second_stage_begins_with_the_same_first_stage(planted: tuple[Task, Queries]) -> None:
    task, _ = planted
    lines: list[str] = []
    task = replace(task, progress=lines.append)
    for learning_rate in (1e-3, 1e-2):
        made(task, epochs=1, learning_rate=learning_rate)
    assert sum("pre-training" in line for line in lines) == 2
    made(task, epochs=1, mask_share=0.3)
    assert sum("pre-training" in line for line in lines) == 4


def test_permuting_the_candidates_permutes_the_scores(planted: tuple[Task, Queries]) -> None:
    task, queries = planted
    recommender = made(task, epochs=0, pretrain_epochs=0)
    order = np.random.default_rng(0).permutation(30)
    permuted = replace(queries, candidates=queries.candidates[:, order])
    np.testing.assert_allclose(recommender.score(permuted), recommender.score(queries)[:, order], rtol=1e-5, atol=1e-6)


def test_an_item_that_nobody_touched_keeps_its_embedding_in_both_stages(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    histories = [[0, 1, 2, 3], [2, 3, 4], [1, 4, 0]]
    task = task_of(domain_of(histories, 50), queries_of(histories, [4, 0, 2], 50, rng), tmp_path)
    stages = [(0, 0), (2, 0), (2, 2)]
    fresh, between, after = (
        made(task, pretrain_epochs=first, epochs=second).model.item_embedding.weight for first, second in stages
    )
    assert torch.equal(fresh[6:], between[6:])
    assert torch.equal(fresh[6:], after[6:])
    assert not torch.isclose(fresh[1:6], between[1:6]).all(dim=1).any()


def test_it_is_registered() -> None:
    assert registry().recommender("s3rec") is S3Rec


# The four losses


def test_all_four_losses_are_positive_and_weighted(planted: tuple[Task, Queries], stage: Pretraining) -> None:
    batch = a_batch(planted[0])
    losses = stage.losses(batch)
    assert all(loss.item() > 0 for loss in losses)
    weights = Weights(attribute=0.2, masked_item=1, masked_attribute=2, segment=0.5)
    expected = 0.2 * losses.attribute + losses.masked_item + 2 * losses.masked_attribute + 0.5 * losses.segment
    assert stage.total(batch, weights).item() == pytest.approx(expected.item() / len(batch.items), rel=1e-5)


def test_zero_parameters_lose_ln_2_for_every_choice(planted: tuple[Task, Queries], stage: Pretraining) -> None:
    batch = a_batch(planted[0])
    for weights in stage.parameters():
        weights.data.zero_()
    masked, real, n_attributes = int(batch.masked.sum()), int((batch.items > 0).sum()), 6
    expected = Losses(
        *map(torch.tensor, ((real - masked) * n_attributes, masked, masked * n_attributes, len(batch.items)))
    )
    for found, choices in zip(stage.losses(batch), expected, strict=True):
        assert found.item() == pytest.approx(choices.item() * math.log(2), rel=1e-5)


def test_the_masked_item_loss_applies_the_sigmoid_twice(planted: tuple[Task, Queries], stage: Pretraining) -> None:
    batch = a_batch(planted[0])
    with torch.no_grad():
        states = stage.maps["masked_item"](stage.encode(batch.items, batch.masked)[batch.masked])
        embedding = stage.model.item_embedding
        right, wrong = (
            torch.sigmoid((states * embedding(ids[batch.masked])).sum(dim=1)) for ids in (batch.items, batch.negatives)
        )
        expected = torch.nn.BCELoss(reduction="sum")(torch.sigmoid(right - wrong), torch.ones_like(right))
        assert stage.losses(batch).masked_item.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_attribute_losses_are_of_the_visible_and_of_the_masked_items(
    planted: tuple[Task, Queries], stage: Pretraining
) -> None:
    batch = a_batch(planted[0])
    with torch.no_grad():
        states = stage.encode(batch.items, batch.masked)
        losses = stage.losses(batch)
        for name, positions in [("attribute", (batch.items > 0) & ~batch.masked), ("masked_attribute", batch.masked)]:
            probability = torch.sigmoid(stage.maps[name](states[positions]) @ stage.attribute_vectors.weight.T)
            wanted = stage.attributes[batch.items[positions]]
            assert wanted.sum() == positions.sum()  # each item of the toy is in one group
            expected = torch.nn.BCELoss(reduction="sum")(probability, wanted)
            assert getattr(losses, name).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_masked_item_is_hidden_and_the_encoder_sees_both_directions(
    planted: tuple[Task, Queries], stage: Pretraining
) -> None:
    batch = a_batch(planted[0])
    batch_of_others = torch.where(batch.masked, batch.negatives, batch.items)
    states = stage.encode(batch.items, batch.masked)
    assert torch.equal(states, stage.encode(batch_of_others, batch.masked))
    items = torch.tensor([[1, 2, 3, 4]])
    changed = torch.tensor([[1, 2, 3, 9]])
    hidden = torch.zeros_like(items, dtype=torch.bool)
    assert not torch.allclose(stage.encode(items, hidden)[:, 0], stage.encode(changed, hidden)[:, 0])


def test_padding_changes_no_loss(planted: tuple[Task, Queries], stage: Pretraining) -> None:
    batch = a_batch(planted[0])
    wide = {
        name: torch.nn.functional.pad(getattr(batch, name), (0, 3))
        for name in ("items", "masked", "negatives", "segment", "others")
    }
    for cut, padded in zip(stage.losses(batch), stage.losses(replace(batch, **wide)), strict=True):
        assert cut.item() == pytest.approx(padded.item(), rel=1e-5)


# What is drawn


@pytest.mark.parametrize("mask_share", [0.0, 0.2, 1.0])
def test_masked_and_visible_positions_are_disjoint_and_cover_all_items(
    planted: tuple[Task, Queries], mask_share: float
) -> None:
    batch = a_batch(planted[0], mask_share)
    real = batch.items > 0
    visible = real & ~batch.masked
    assert not (visible & batch.masked).any()
    assert torch.equal(visible | batch.masked, real)
    assert batch.masked[torch.arange(len(batch.items)), batch.lengths - 1].all()
    if mask_share in (0.0, 1.0):
        assert batch.masked.sum() == (len(batch.items) if mask_share == 0 else real.sum())


def test_negatives_and_other_segments_hold_nothing_that_the_user_touched(tmp_path: Path) -> None:
    histories = [[0, 1, 2, 3, 4, 5], [10, 11, 12], [20, 21, 22, 23]]
    task = task_of(domain_of(histories, 60), queries_of([[0]], [1], 60, np.random.default_rng(0)), tmp_path)
    maker = maker_of(task)
    rng = np.random.default_rng(0)
    for _ in range(30):
        batch = maker.batch(maker.usable, rng)
        for row, user in enumerate(maker.prefixes.users[maker.usable]):
            own = {item + 1 for item in histories[user]}
            assert own.isdisjoint(batch.negatives[row][batch.masked[row]].tolist())
            assert own.isdisjoint(batch.others[row][batch.segment[row]].tolist())
        assert torch.equal(batch.others[~batch.segment], batch.items[~batch.segment])
        assert (batch.negatives[~batch.masked] == 0).all()


def test_a_segment_is_one_stretch_of_at_most_half_of_the_prefix(planted: tuple[Task, Queries]) -> None:
    batches = list(maker_of(planted[0]).epoch(np.random.default_rng(0)))
    sizes = torch.cat([batch.segment.sum(dim=1) for batch in batches])
    lengths = torch.cat([batch.lengths for batch in batches])
    assert (sizes >= 1).all()
    assert (sizes <= lengths // 2).all()
    assert (sizes == lengths // 2).any()
    for batch in batches:
        assert (batch.segment.int().diff(dim=1).abs().sum(dim=1) <= 2).all()
        assert not (batch.segment & (batch.items == 0)).any()


def test_an_epoch_shows_a_prefix_a_user_of_training_items_alone(planted: tuple[Task, Queries]) -> None:
    task, _ = planted
    maker = maker_of(task)
    batches = list(maker.epoch(np.random.default_rng(0)))
    assert sum(len(batch.items) for batch in batches) == task.target.n_users
    assert min(int(batch.lengths.min()) for batch in batches) >= 2
    histories = {tuple(task.target.history(user)[:end] + 1) for user in range(40) for end in range(2, 13)}
    for batch in batches:
        for items in batch.items.tolist():
            assert tuple(item for item in items if item) in histories


# Attributes


def test_words_that_are_neither_rare_nor_common_are_attributes() -> None:
    titles = ["Red soap", "red SOAP, large", "blue soap", "blue towel", "soap", "", "green", "towel"]
    attributes, n_words = title_attributes(titles, width=512, min_titles=2, max_share=0.3)
    assert n_words == 3  # blue, red, towel: soap is in half of the titles, green and large in one
    assert attributes.tolist() == [
        [0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1],
    ]  # fmt: skip


def test_more_words_than_attributes_are_hashed_alike_in_every_process() -> None:
    titles = [f"word{item} word{item + 1}" for item in range(40)]
    attributes, n_words = title_attributes(titles, width=8, min_titles=2, max_share=1)
    assert (attributes.shape, n_words) == ((40, 8), 39)
    assert attributes[:, 6].sum() == 6


def test_a_catalogue_without_such_words_is_trained_by_the_other_two_losses(planted: tuple[Task, Queries]) -> None:
    task, queries = planted
    recommender = made(task, epochs=1, min_titles=50, max_title_share=0.01)
    assert recommender.report().extra["n_attributes"] == 0
    assert np.isfinite(recommender.score(queries)).all()
    assert recommender.report().stages["pretraining"].curves["losses"][0] > 0
