from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.backbones import local_backbone
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.merging.average import mixed
from bench.lm.merging.by_entropy import (
    Box,
    EntropyRecipe,
    entropy_grid,
    learn_pooled_weights,
    learn_weights,
    mean_weights,
)
from bench.lm.training.lora import attached
from bench.plugin import Queries
from tests.support.text_toys import planted_groups

RECIPE = EntropyRecipe(n_prompts=12, prompts_a_step=12, passes=25, learning_rate=0.3, granularity="global")
DOMAIN = planted_groups(30)


@pytest.fixture(scope="module")
def towers(pico_encoder_folder: Path) -> TowerLanguageModel:
    return TowerLanguageModel(local_backbone("pico", pico_encoder_folder))


@pytest.fixture(scope="module")
def adapters(towers: TowerLanguageModel) -> tuple[Adapter, Adapter]:
    """Two adapters with random B: strong enough for the entropy to depend on their weights."""
    made = []
    for seed in (1, 2):
        with attached(towers.model, LoraRecipe(rank=4, alpha=8), 0) as factors:
            generator = torch.Generator().manual_seed(seed)
            random = {
                name: (a.detach().clone(), torch.randn(b.shape, generator=generator) * 0.3)
                for name, (a, b) in factors.items()
            }
        made.append(Adapter(random, 2.0, towers.backbone.revision, "group"))
    return made[0], made[1]


@pytest.fixture(scope="module")
def queries() -> Queries:
    rng = np.random.default_rng(0)
    candidates = np.stack([rng.permutation(60)[:30] for _ in range(12)]).astype(np.int32)
    return Queries(np.arange(12), np.arange(13) * 3, rng.integers(60, size=36).astype(np.int32), candidates)


@pytest.mark.parametrize("space", ["factor", "delta"])
def test_the_gradient_of_the_entropy_equals_its_finite_difference(towers, adapters, queries, space) -> None:
    def entropy(first: torch.Tensor) -> torch.Tensor:
        with mixed(towers.model, adapters, torch.stack([first, 1 - first]), space):
            return towers.entropy(DOMAIN, queries)

    at = torch.tensor(0.4, requires_grad=True)
    entropy(at).backward()
    step = 1e-2
    with torch.no_grad():
        difference = (entropy(torch.tensor(0.4 + step)) - entropy(torch.tensor(0.4 - step))) / (2 * step)
    assert at.grad is not None
    assert at.grad.item() == pytest.approx(difference.item(), rel=0.05, abs=1e-3)


@pytest.mark.parametrize("space", ["factor", "delta"])
def test_gradient_descent_ends_no_higher_than_equal_weights_and_moves_as_the_grid_says(
    towers, adapters, queries, space
) -> None:
    learned = learn_weights(towers, DOMAIN, queries, adapters, space, RECIPE, 0, lambda _line: None)
    grid = entropy_grid(towers, DOMAIN, queries, adapters, space)
    halfway = dict(grid)[0.5]
    downhill = min((entropy, weight) for weight, entropy in grid if abs(weight - 0.5) <= 0.1)[1]
    assert learned.curve[0] == pytest.approx(halfway, abs=1e-4)
    assert learned.curve[-1] < halfway
    assert (learned.weights[0].item() - 0.5) * (downhill - 0.5) > 0


def test_weights_of_each_layer_sum_to_one(towers, adapters, queries) -> None:
    recipe = EntropyRecipe(n_prompts=6, prompts_a_step=3, passes=2, learning_rate=0.3, granularity="per_module")
    learned = learn_weights(towers, DOMAIN, queries, adapters, "delta", recipe, 0, lambda _line: None)
    assert learned.weights.shape == (len(adapters[0].factors), 2)
    torch.testing.assert_close(learned.weights.sum(1), torch.ones(len(learned.weights)))
    assert len(learned.path) == 4
    assert learned.path[-1] == pytest.approx(mean_weights(learned.weights))


def test_a_learning_rate_of_zero_is_the_plain_average(towers, adapters, queries) -> None:
    recipe = EntropyRecipe(n_prompts=6, prompts_a_step=6, passes=1, learning_rate=0.0, granularity="global")
    learned = learn_weights(towers, DOMAIN, queries, adapters, "delta", recipe, 0, lambda _line: None)
    assert learned.weights.tolist() == [0.5, 0.5]


def test_equal_adapters_give_the_weights_no_reason_to_move(towers, adapters, queries) -> None:
    learned = learn_weights(
        towers, DOMAIN, queries, (adapters[0], adapters[0]), "factor", RECIPE, 0, lambda _line: None
    )
    assert learned.weights.tolist() == pytest.approx([0.5, 0.5], abs=1e-3)


def test_prompts_are_a_seeded_sample_whatever_their_answers(towers, adapters, queries) -> None:
    recipe = EntropyRecipe(n_prompts=4, prompts_a_step=4, passes=1, learning_rate=0.3, granularity="global")
    runs = [
        learn_weights(towers, DOMAIN, queries, adapters, "delta", recipe, seed, lambda _line: None).curve
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2]


def boxed(initial: float, **changes: float) -> EntropyRecipe:
    return dataclasses.replace(
        EntropyRecipe(n_prompts=8, prompts_a_step=4, passes=3, learning_rate=0.3, granularity="per_module"),
        region=Box(initial),
        **changes,
    )


def test_weights_in_a_box_stay_there_and_need_no_sum(towers, adapters, queries) -> None:
    learned = learn_weights(towers, DOMAIN, queries, adapters, "delta", boxed(0.9), 0, lambda _line: None)
    assert learned.weights.shape == (len(adapters[0].factors), 2)
    assert 0 <= learned.weights.min() <= learned.weights.max() <= 1
    assert not torch.allclose(learned.weights.sum(1), torch.ones(len(learned.weights)))


@pytest.mark.parametrize("initial", [0.5, 0.3])
def test_weights_in_a_box_start_where_they_are_told(towers, adapters, queries, initial) -> None:
    still = boxed(initial, learning_rate=0.0)
    learned = learn_weights(towers, DOMAIN, queries, adapters, "delta", still, 0, lambda _line: None)
    assert torch.equal(learned.weights, torch.full_like(learned.weights, initial))


def test_equal_adapters_in_a_box_are_weighted_equally(towers, adapters, queries) -> None:
    twins = (adapters[0], adapters[0])
    learned = learn_weights(towers, DOMAIN, queries, twins, "delta", boxed(0.5), 0, lambda _line: None)
    torch.testing.assert_close(learned.weights[:, 0], learned.weights[:, 1])
    assert not torch.equal(learned.weights, torch.full_like(learned.weights, 0.5))


def test_the_entropy_of_pooled_prompts_is_the_mean_over_domains(towers, adapters, queries) -> None:
    few = queries.take(np.arange(3))
    other = planted_groups(30, seed=5)
    recipe = dataclasses.replace(RECIPE, passes=1, learning_rate=0.0)
    pools = [(DOMAIN, queries), (other, few)]
    together = learn_pooled_weights(towers, pools, adapters, "delta", recipe, 0, lambda _line: None)
    alone = [learn_pooled_weights(towers, [pool], adapters, "delta", recipe, 0, lambda _line: None) for pool in pools]
    assert together.curve[0] == pytest.approx(np.mean([one.curve[0] for one in alone]))
