"""What is kept below the adapted layers from one merge to the next, and that it changes no vector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.adapters.apply import folded, hooked
from bench.lm.backbones import local_backbone
from bench.lm.encoders import title_layers
from bench.lm.encoders.title_layers import KeptLayers, n_adapted_layers
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.merging.by_entropy import EntropyRecipe, entropy_grid
from bench.lm.training.attachment import attached
from bench.plugin import Queries
from tests.support.text_toys import planted_groups

DOMAIN = planted_groups(20)
ITEMS = np.arange(DOMAIN.n_items)
EQUAL = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def towers(wide_encoder_folder: Path) -> TowerLanguageModel:
    return TowerLanguageModel(local_backbone("wide", wide_encoder_folder))


@pytest.fixture
def titles_read(towers: TowerLanguageModel) -> Iterator[list[int]]:
    """Count the titles that are read from the embeddings on."""
    counts: list[int] = []
    handle = towers.model.embeddings.register_forward_hook(lambda _module, _inputs, states: counts.append(len(states)))
    yield counts
    handle.remove()


def adapter_of(towers: TowerLanguageModel, n_top: int, seed: int = 0) -> Adapter:
    """Return an adapter of the top layers whose random B changes the vectors well beyond rounding."""
    generator = torch.Generator().manual_seed(seed)
    modules = towers.adapted_modules(LoraRecipe(adapted_layers=n_top))
    with attached(towers.model, LoraRecipe(rank=4, alpha=8), 0, modules) as factors:
        drawn = {
            name: (a.detach().clone(), 0.3 * torch.randn(b.shape, generator=generator))
            for name, (a, b) in factors.items()
        }
    return Adapter(drawn, 2.0, "wide", "start", temperature=0.2 + 0.1 * seed)


def test_the_layers_that_contain_an_adapter_are_counted_from_the_top(towers) -> None:
    assert n_adapted_layers(towers.model, adapter_of(towers, 1).factors) == 1
    assert n_adapted_layers(towers.model, adapter_of(towers, 2).factors) is None  # it changes the lowest layer
    assert n_adapted_layers(towers.model, ["encoder.layer.1.output.dense", "embeddings.word_embeddings"]) is None
    assert n_adapted_layers(towers.model, []) is None


@pytest.mark.parametrize("n_top", [1, 2])
def test_vectors_do_not_depend_on_what_is_kept(towers, n_top: int) -> None:
    for seed in range(2):
        adapter = adapter_of(towers, n_top, seed)
        with torch.no_grad(), folded(towers.model, adapter):
            expected = towers.item_vectors(DOMAIN, ITEMS)
            with towers.changed_only_by([adapter]):
                found = towers.item_vectors(DOMAIN, ITEMS)
        torch.testing.assert_close(found, expected, **EQUAL)
    with torch.no_grad():
        assert (towers.item_vectors(DOMAIN, ITEMS) - expected).abs().max() > 0.05


def test_gradients_do_not_depend_on_it_either(towers) -> None:
    adapter = adapter_of(towers, 1)
    factors = [factor.requires_grad_() for pair in adapter.factors.values() for factor in pair]
    weights = torch.randn(len(ITEMS), 32, generator=torch.Generator().manual_seed(1))

    def gradients() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad((towers.item_vectors(DOMAIN, ITEMS) * weights).sum(), factors)

    with hooked(towers.model, adapter):
        expected = gradients()
        with towers.changed_only_by([adapter]):
            found = gradients()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_final_scores_are_float32_where_training_is_not(towers, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = adapter_of(towers, 1)
    with torch.no_grad(), folded(towers.model, adapter):
        expected = towers.item_vectors(DOMAIN, ITEMS)
        monkeypatch.setattr("bench.lm.encoders.title_layers.training_dtype", lambda _device: torch.bfloat16)
        monkeypatch.setattr("bench.lm.precision.training_dtype", lambda _device: torch.bfloat16)
        with towers.changed_only_by([adapter]):
            torch.testing.assert_close(towers.item_vectors(DOMAIN, ITEMS), expected, **EQUAL)


def test_a_second_adapter_and_all_points_of_a_grid_read_each_title_once(towers, titles_read: list[int]) -> None:
    rng = np.random.default_rng(0)
    candidates = np.stack([rng.permutation(DOMAIN.n_items)[:30] for _ in range(12)]).astype(np.int32)
    histories = rng.integers(DOMAIN.n_items, size=36).astype(np.int32)
    queries = Queries(np.arange(12), np.arange(13) * 3, histories, candidates)
    adapters = [adapter_of(towers, 1, seed) for seed in range(2)]
    recipe = EntropyRecipe(n_prompts=12, prompts_a_step=4, passes=1, learning_rate=0.1, granularity="global")
    entropy_grid(towers, DOMAIN, queries, adapters, "delta", recipe, 0, lambda _line: None)
    for adapter in adapters:
        towers.score_with(adapter, DOMAIN, queries, lambda _line: None)
    needed = np.union1d(queries.history_items, queries.distinct_candidates())
    assert sum(titles_read) == len(needed)


def test_a_catalogue_too_large_to_keep_is_read_as_usual(towers, titles_read, monkeypatch) -> None:
    adapter = adapter_of(towers, 1)
    monkeypatch.setattr(title_layers, "MOST_KEPT_BYTES", 1000)
    with torch.no_grad(), folded(towers.model, adapter), towers.changed_only_by([adapter]):
        first, second = towers.item_vectors(DOMAIN, ITEMS), towers.item_vectors(DOMAIN, ITEMS)
    assert sum(titles_read) == 2 * len(ITEMS)
    torch.testing.assert_close(first, second, **EQUAL)


def test_older_catalogues_are_dropped_to_make_room(towers, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, tokens = KeptLayers(towers.model), [[1, 2, 3]] * 10
    monkeypatch.setattr(title_layers, "MOST_KEPT_BYTES", 2 * 30 * 32 * 4)
    first, second = kept.of("first", tokens, 1), kept.of("second", tokens, 1)
    assert kept.of("first", tokens, 1) is first
    kept.of("third", tokens, 1)
    assert kept.of("second", tokens, 1) is second
    assert kept.of("first", tokens, 1) is not first
