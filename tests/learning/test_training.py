from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.learning.training import (
    GRADIENT_NORM,
    TrainingRecord,
    clip_gradients,
    descend,
    schedule_step_size,
    seeded,
    stopping_score,
    train_until_no_better,
    trained_once,
    validation_sample,
)
from bench.plugin import Answers, Task
from tests.support.recbole_toy import planted_successors


class Counter(nn.Module):
    """A model whose only weight counts its epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.count = nn.Parameter(torch.zeros(1))

    def train_epoch(self) -> float:
        self.count.data += 1
        return self.count.item()


def trained(validation: list[float], epochs: int, patience: int) -> tuple[Counter, TrainingRecord, list[str]]:
    model, lines = Counter(), []
    values = iter(validation)
    record = train_until_no_better(model, model.train_epoch, lambda: next(values), epochs, patience, lines.append)
    return model, record, lines


def test_training_stops_after_patience_epochs_without_a_better_one() -> None:
    _, record, _ = trained([0.1, 0.3, 0.2, 0.3, 0.2, 0.9], epochs=10, patience=3)
    assert record.epochs == 5
    assert record.best_epoch == 2


def test_the_model_is_left_in_its_best_epochs_state() -> None:
    model, _, _ = trained([0.1, 0.3, 0.2, 0.3, 0.2], epochs=5, patience=9)
    assert model.count.item() == 2


def test_training_ends_with_the_last_epoch_allowed() -> None:
    model, record, _ = trained([0.1, 0.2, 0.3], epochs=3, patience=10)
    assert record.epochs == 3
    assert model.count.item() == 3


def test_a_validation_that_is_never_above_zero_keeps_the_first_epoch() -> None:
    model, record, _ = trained([0.0] * 4, epochs=10, patience=3)
    assert (record.best_epoch, model.count.item()) == (1, 1.0)


def test_each_epoch_reports_one_line() -> None:
    _, _, lines = trained([0.1, 0.2, 0.15], epochs=3, patience=10)
    assert len(lines) == 3
    assert lines[2].startswith("epoch 3: loss 3.0000, validation ndcg@3 0.1500 (best was epoch 2)")


def test_a_second_training_with_an_equal_key_is_read_from_the_store(tmp_path: Path) -> None:
    record = TrainingRecord((0.5,), (0.25,), (1.0,))
    first, second, store = nn.Linear(3, 2), nn.Linear(3, 2), ArtifactStore(tmp_path)
    assert trained_once(store, "models", {"seed": 1}, first, lambda: record) == record
    assert trained_once(store, "models", {"seed": 1}, second, pytest.fail) == record
    assert torch.equal(first.weight, second.weight)


def test_a_training_with_another_key_is_done(tmp_path: Path) -> None:
    records = iter([TrainingRecord((0.5,), (0.25,), (1.0,)), TrainingRecord((0.7,), (0.35,), (1.0,))])
    store = ArtifactStore(tmp_path)
    made = [trained_once(store, "models", {"seed": seed}, nn.Linear(3, 2), lambda: next(records)) for seed in (1, 2)]
    assert [record.losses for record in made] == [(0.5,), (0.7,)]


def test_weights_that_share_memory_are_stored_too(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    trained_once(ArtifactStore(tmp_path), "models", {}, tied, lambda: TrainingRecord((), (), ()))
    assert torch.equal(tied[0].weight, tied[1].weight)


def test_descending_returns_the_mean_loss_and_takes_a_step_for_each() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = (model(torch.ones(1, 1)).sum() for _ in range(2))
    assert descend(model, optimizer, losses) == pytest.approx((1.0 + 0.5) / 2)
    assert model.weight.item() == pytest.approx(0.0)


def test_a_diverged_training_is_an_error_that_says_what_to_try() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = (model(torch.ones(1)).sum() * factor for factor in (1.0, float("nan")))
    with pytest.raises(BenchError, match=r"mean loss of an epoch is nan\. Try a lower -p learning_rate"):
        descend(model, optimizer, losses)


def test_the_stopping_score_is_ndcg_at_3() -> None:
    scores = np.array([[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0]])
    assert stopping_score(scores, Answers(np.array([0, 1]))) == pytest.approx((1 + 0.630930) / 2, abs=1e-6)


def test_seeding_repeats_all_three_generators_and_leaves_them_as_they_were() -> None:
    def draw() -> tuple[float, float, float]:
        return float(torch.rand(1)), float(np.random.random()), random.random()  # noqa: NPY002

    with seeded(5):
        first = draw()
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    with seeded(5):
        second = draw()
    after = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    assert first == second
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_gradients_are_shortened_together_and_short_ones_stay() -> None:
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD([{"params": [weight]} for weight in weights], lr=1.0)
    clip_gradients(optimizer)
    for long, expected in (((3.0, 4.0), (0.6, 0.8)), ((0.3, 0.4), (0.3, 0.4))):
        for weight, gradient in zip(weights, long, strict=True):
            weight.grad = torch.tensor([gradient])
        optimizer.step()
        shortened = [weight.grad.item() for weight in weights if weight.grad is not None]
        assert shortened == pytest.approx([GRADIENT_NORM * value for value in expected], rel=1e-5)


def test_each_step_is_its_share_of_the_peak_of_its_group() -> None:
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [first], "lr": 1.0}, {"params": [second], "lr": 10.0}], lr=0.1)
    schedule_step_size(optimizer, lambda step: [0.5, 1.0, 0.25][step])
    walked = []
    for _ in range(3):
        first.grad, second.grad = torch.full((1,), -1.0), torch.full((1,), -1.0)
        optimizer.step()
        walked.append((first.item(), second.item()))
    assert walked == [(0.5, 5.0), (1.5, 15.0), (1.75, 17.5)]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return planted_successors(tmp_path, n_users=40)[0]


def test_a_validation_sample_keeps_queries_with_their_answers_in_stored_order(task: Task) -> None:
    queries, answers = validation_sample(task, 10)
    again, _ = validation_sample(task, 10)
    np.testing.assert_array_equal(queries.candidates, again.candidates)
    rows = [task.validation.users.tolist().index(user) for user in queries.users]
    assert rows == sorted(rows)
    assert len(rows) == 10
    np.testing.assert_array_equal(answers.positive_column, task.validation_answers.positive_column[rows])


def test_a_validation_sample_follows_the_seed_and_what_it_is_for(task: Task) -> None:
    samples = [
        validation_sample(task, 10),
        validation_sample(replace(task, seed=1), 10),
        validation_sample(task, 10, ("p5", "validation")),
    ]
    assert len({tuple(queries.users) for queries, _ in samples}) == len(samples)


@pytest.mark.parametrize("n_queries", [0, None, 40, 41])
def test_a_validation_sample_may_be_all(task: Task, n_queries: int | None) -> None:
    assert validation_sample(task, n_queries) == (task.validation, task.validation_answers)


def test_a_report_says_why_training_ended_from_the_validation_of_each_epoch() -> None:
    record = TrainingRecord((1.0,) * 7, (0.1, 0.3, *[0.2] * 5), (1.0,) * 7)
    assert record.report().ended == "converged"
    assert record.report(decays=True).ended == "budget"
    assert TrainingRecord((1.0,), (0.1,), (1.0,)).report().ended == "rising"
    assert TrainingRecord((1.0,) * 5, (), (1.0,) * 5).report().ended == "unknown"
