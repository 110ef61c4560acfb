from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.learning.training import (
    GRADIENT_NORM,
    clip_gradients,
    descend,
    schedule_step_size,
    seeded,
    stopping_score,
    validation_sample,
)
from bench.plugin import Answers, Task
from tests.support.recbole_toy import planted_successors


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
