from __future__ import annotations

import math

import pytest
import torch

from bench.learning.entropy import softmax_entropy


def test_entropies_have_their_known_values() -> None:
    logits = torch.stack([torch.zeros(3), torch.tensor([0.5, 0.25, 0.25]).log(), torch.tensor([200.0, 0.0, 0.0])])
    expected = torch.tensor([math.log(3), 1.039721, 0.0])
    torch.testing.assert_close(softmax_entropy(logits), expected, rtol=0, atol=1e-5)


def test_a_temperature_divides_the_logits_and_has_a_gradient() -> None:
    logits, temperature = torch.tensor([2.0, 0.0, -1.0]), torch.tensor(4.0, requires_grad=True)
    entropy = softmax_entropy(logits, temperature)
    torch.testing.assert_close(entropy, softmax_entropy(logits / 4))
    entropy.backward()
    assert temperature.grad is not None
    assert temperature.grad.item() > 0


def test_the_last_dimension_is_the_choice() -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    entropies = softmax_entropy(logits)
    assert entropies.shape == (2, 4)
    torch.testing.assert_close(entropies[1, 2], torch.distributions.Categorical(logits=logits[1, 2]).entropy())


def test_a_step_down_the_gradient_makes_the_model_surer() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0], requires_grad=True)
    before = softmax_entropy(logits)
    before.backward()
    assert logits.grad is not None
    assert softmax_entropy(logits.detach() - 0.1 * logits.grad).item() < before.item()
    assert logits.grad.sum().item() == pytest.approx(0, abs=1e-6)
