from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.learning.checkpoints import Checkpoint
from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.backbones import local_backbone
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.merging.average import mixed
from bench.lm.merging.by_entropy import (
    Box,
    EntropyRecipe,
    LearnedWeights,
    entropy_grid,
    learn_pooled_weights,
    learn_weights,
    mean_weights,
    merged_temperature,
)
from bench.lm.training.attachment import attached
from bench.plugin import Queries
from tests.support.merge_toys import LinearScorer, adapter_of, random_adapter
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
    grid = entropy_grid(towers, DOMAIN, queries, adapters, space, RECIPE, 0, lambda _line: None).grid
    halfway = dict(grid)[0.5]
    downhill = min((entropy, weight) for weight, entropy in grid if abs(weight - 0.5) <= 0.1)[1]
    assert learned.curve[0] == pytest.approx(halfway, abs=1e-4)
    assert learned.curve[-1] < halfway
    assert (learned.weights[1].item() - 0.5) * (downhill - 0.5) > 0


def test_the_grid_takes_the_weight_of_lowest_entropy_over_all_prompts_in_any_batches(towers, adapters, queries) -> None:
    found = entropy_grid(towers, DOMAIN, queries, adapters, "delta", RECIPE, 0, lambda _line: None)
    assert len(found.grid) == 21
    for last, entropy in found.grid[::10]:
        with torch.no_grad(), mixed(towers.model, adapters, torch.tensor([1 - last, last]), "delta"):
            assert entropy == pytest.approx(towers.entropy(DOMAIN, queries).item(), abs=1e-5)
    lowest = min(found.grid, key=lambda point: point[1])[0]
    assert found.weights.tolist() == pytest.approx([1 - lowest, lowest])
    few_at_once = dataclasses.replace(RECIPE, prompts_a_step=5)
    again = entropy_grid(towers, DOMAIN, queries, adapters, "delta", few_at_once, 0, lambda _line: None)
    np.testing.assert_allclose(again.grid, found.grid, atol=1e-5)


def test_the_grid_turned_round_finds_the_same_merge(towers, adapters, queries) -> None:
    one_way = entropy_grid(towers, DOMAIN, queries, adapters, "delta", RECIPE, 0, lambda _line: None)
    other_way = entropy_grid(towers, DOMAIN, queries, adapters[::-1], "delta", RECIPE, 0, lambda _line: None)
    assert other_way.weights.tolist() == pytest.approx(one_way.weights.flip(0).tolist())


def test_a_report_holds_the_grid_and_how_flat_it_is() -> None:
    found = LearnedWeights(torch.tensor([0.5, 0.5]), grid=[(0.0, 2.5), (0.5, 2.25), (1.0, 2.75)])
    report = found.report({"general": 0.5, "specific": 0.5}, chosen=0.5)
    assert report.entropy_by_weight == ((0.0, 2.5), (0.5, 2.25), (1.0, 2.75))
    assert report.entropy_range_nats == 0.5
    assert LearnedWeights(found.weights).report({}).entropy_range_nats is None


@pytest.mark.parametrize(
    ("weights", "temperature"),
    [
        ([1.0, 0.0], 0.1),
        ([0.0, 1.0], 0.3),
        ([0.25, 0.75], 0.25),
        ([0.1, 0.1], 0.2),
        ([0.0, 0.0], 0.2),
        ([[1.0, 0.0], [0.5, 0.5]], 0.15),
    ],
)
def test_the_temperature_of_a_merge_is_the_weighted_mean_of_its_adapters(weights, temperature) -> None:
    pair = [random_adapter(0, temperature=0.1), random_adapter(1, temperature=0.3)]
    merged = merged_temperature(pair, torch.tensor(weights))
    assert merged is not None
    assert merged.item() == pytest.approx(temperature)


def test_one_adapter_without_a_temperature_leaves_the_merge_without() -> None:
    pair = [random_adapter(0, temperature=0.1), random_adapter(1)]
    assert merged_temperature(pair, torch.tensor([0.5, 0.5])) is None


def scaled_pair(factor: float, *, calibrated: bool) -> tuple[Adapter, Adapter]:
    """Return an adapter and one that differs in nothing but the scale of its scores."""
    update = torch.randn(LinearScorer.n_choices, LinearScorer.n_features, generator=torch.Generator().manual_seed(0))
    one, other = adapter_of(update), adapter_of(factor * update)
    if not calibrated:
        return one, other
    return dataclasses.replace(one, temperature=0.5), dataclasses.replace(other, temperature=0.5 * factor)


@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_on_the_grid_an_adapter_whose_scores_are_merely_scaled_gains_nothing(queries, factor) -> None:
    ranges = {}
    for calibrated in (True, False):
        pair = scaled_pair(factor, calibrated=calibrated)
        found = entropy_grid(LinearScorer(), DOMAIN, queries, pair, "delta", RECIPE, 0, lambda _line: None)
        ranges[calibrated] = found.report({}).entropy_range_nats
        larger = [0.0, 1.0] if factor > 1 else [1.0, 0.0]
        assert found.weights.tolist() == ([0.5, 0.5] if calibrated else larger)
    assert ranges[True] < 1e-5
    assert ranges[False] > 0.1


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.2, 0.8], [0.9, 0.1], [0.4, 0.3]])
def test_a_step_favours_an_adapter_with_larger_scores_only_where_it_is_not_calibrated(queries, weights) -> None:
    """The gradient of the entropy is equal for both, so that none is moved at the cost of the other."""
    gradients = {}
    for calibrated in (True, False):
        scorer, pair = LinearScorer(), scaled_pair(3.0, calibrated=calibrated)
        at = torch.tensor(weights, requires_grad=True)
        with mixed(scorer.model, pair, at, "delta", any_sum=True):
            scorer.entropy(DOMAIN, queries, merged_temperature(pair, at)).backward()
        gradients[calibrated] = at.grad.tolist()
    assert gradients[True][0] == pytest.approx(gradients[True][1], rel=1e-3)
    assert gradients[False][1] == pytest.approx(3 * gradients[False][0], rel=1e-3)


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


@dataclasses.dataclass
class StoppedAt:
    """Stands in for a language model's entropy, and is interrupted at one of its calls."""

    entropy: Any
    call: int

    def __call__(self, *arguments: Any) -> torch.Tensor:
        self.call -= 1
        if self.call < 0:
            raise KeyboardInterrupt
        return self.entropy(*arguments)


SEARCHES = {
    "grid": (entropy_grid, RECIPE, (3, 20)),
    "adam": (
        learn_weights,
        dataclasses.replace(RECIPE, passes=4, prompts_a_step=5, granularity="per_module"),
        (1, 5, 11),
    ),
}


@pytest.mark.parametrize(
    ("search", "call"), [(name, call) for name, (_, _, calls) in SEARCHES.items() for call in calls]
)
def test_an_interrupted_search_continues_and_finds_the_same(
    towers, adapters, queries, search, call, tmp_path, monkeypatch
) -> None:
    find, recipe, _ = SEARCHES[search]
    asked = (towers, DOMAIN, queries, adapters, "delta", recipe, 0)
    undisturbed = find(*asked, lambda _line: None)
    checkpoint = Checkpoint(tmp_path / "search" / "checkpoint.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(towers, "entropy", StoppedAt(towers.entropy, call))
        with pytest.raises(KeyboardInterrupt):
            find(*asked, lambda _line: None, checkpoint)
    counted = StoppedAt(towers.entropy, 10_000)
    monkeypatch.setattr(towers, "entropy", counted)
    resumed = find(*asked, lambda _line: None, checkpoint)
    assert torch.equal(resumed.weights, undisturbed.weights)
    assert (resumed.curve, resumed.path, resumed.grid) == (undisturbed.curve, undisturbed.path, undisturbed.grid)
    n_calls = len(undisturbed.path) or len(undisturbed.grid)
    assert 10_000 - counted.call == n_calls - call
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []
