"""The running average of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.learning.averaging import WeightAverage


def averaged(values: list[float], n_steps: int) -> float:
    """Return the average after a weight took these values, the first one before any step."""
    weight = nn.Parameter(torch.tensor([values[0]]))
    average = WeightAverage([weight], n_steps)
    for n_taken, value in enumerate(values[1:], start=1):
        weight.data.fill_(value)
        average.add(n_taken)
    return average.weights[0].item()


def test_the_first_steps_have_their_plain_mean() -> None:
    assert averaged([9.0], n_steps=4) == 9.0
    assert averaged([9.0, 1.0, 2.0, 6.0], n_steps=4) == pytest.approx(3.0)  # the untrained weights are not part of it


def test_later_steps_decay_exponentially() -> None:
    assert averaged([0.0, 1.0, 1.0, 5.0], n_steps=2) == pytest.approx((1.0 + 5.0) / 2)
    assert averaged([0.0, 1.0, 1.0, 5.0, 7.0], n_steps=2) == pytest.approx((3.0 + 7.0) / 2)


def test_an_average_over_one_step_is_the_weights_themselves() -> None:
    assert averaged([0.0, 3.0, 8.0], n_steps=1) == 8.0


def test_averages_are_in_use_only_inside_the_block() -> None:
    layer = nn.Linear(2, 1, bias=False)
    average = WeightAverage([layer.weight], 10)
    before = layer.weight.detach().clone()
    layer.weight.data += 1
    with average.in_use():
        assert torch.equal(layer.weight, before)
    assert torch.equal(layer.weight, before + 1)
    layer.weight.data += 1
    assert torch.equal(average.weights[0], before)
