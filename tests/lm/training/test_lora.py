from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.files.store import ArtifactStore
from bench.lm.adapters.adapter import Adapter, LoraRecipe, linear_modules, load_adapter, save_adapter
from bench.lm.adapters.apply import folded, hooked
from bench.lm.backbones import local_backbone
from bench.lm.encoders.towers import TEMPERATURE, TowerLanguageModel
from bench.lm.training.attachment import attached
from bench.lm.training.dropout import IntegerDropout, Masks
from bench.lm.training.lora import Validation
from tests.support.adapter_training import cross_entropy, trained, validation_of
from tests.support.text_toys import planted_groups

RECIPE = LoraRecipe(rank=4, alpha=8, learning_rate=1e-2, epochs=1, batch_size=16, warmup_steps=2, n_negatives=20)


@pytest.fixture
def towers(pico_encoder_folder: Path) -> TowerLanguageModel:
    return TowerLanguageModel(local_backbone("pico", pico_encoder_folder))


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Validation:
    return validation_of(planted_groups(120), ArtifactStore(tmp_path_factory.mktemp("candidates")))


def vectors(towers: TowerLanguageModel, domain) -> torch.Tensor:
    with torch.no_grad():
        return towers.item_vectors(domain, np.arange(domain.n_items))


def equal(first: Adapter, second: Adapter) -> bool:
    """Whether two adapters have the same factors and head, bit for bit."""
    return all(
        torch.equal(mine, theirs)
        for name in first.factors
        for mine, theirs in zip(first.factors[name], second.factors[name], strict=True)
    ) and all(torch.equal(first.head[name], second.head[name]) for name in first.head)


def test_an_untrained_adapter_changes_no_output(towers: TowerLanguageModel) -> None:
    domain = planted_groups(20)
    before = vectors(towers, domain)
    with attached(towers.model, LoraRecipe(dropout=0.0), 0):
        torch.testing.assert_close(vectors(towers, domain), before, rtol=0, atol=0)


def test_the_model_is_as_it_was_once_the_adapter_is_detached(towers: TowerLanguageModel) -> None:
    domain = planted_groups(20)
    before, layers = vectors(towers, domain), list(linear_modules(towers.model))
    trained(towers, [domain], RECIPE)
    assert list(linear_modules(towers.model)) == layers
    torch.testing.assert_close(vectors(towers, domain), before, rtol=0, atol=0)


def test_adapters_of_one_seed_start_from_one_a_and_from_zero_b(towers: TowerLanguageModel) -> None:
    starts = []
    for seed in (0, 0, 1):
        torch.randn(7)
        with attached(towers.model, RECIPE, seed) as factors:
            starts.append({name: (a.detach().clone(), b.detach().clone()) for name, (a, b) in factors.items()})
    assert all(torch.equal(starts[0][name][0], starts[1][name][0]) for name in starts[0])
    assert any(not torch.equal(starts[0][name][0], starts[2][name][0]) for name in starts[0])
    assert all(not b.any() for _, b in starts[0].values())


def test_every_linear_layer_is_adapted_and_counted(towers: TowerLanguageModel) -> None:
    with attached(towers.model, RECIPE, 0) as factors:
        counted = sum(a.numel() + b.numel() for a, b in factors.values())
    layers = linear_modules(towers.model)
    assert factors.keys() == layers.keys()
    assert counted == sum(4 * (layer.in_features + layer.out_features) for layer in layers.values())


def test_a_folded_adapter_equals_the_hooked_and_the_attached_one(towers: TowerLanguageModel) -> None:
    domain = planted_groups(40)
    adapter, _ = trained(towers, [domain], RECIPE)
    plain = vectors(towers, domain)
    with attached(towers.model, LoraRecipe(rank=4, alpha=8, dropout=0.0), 0, start=adapter):
        theirs = vectors(towers, domain)
    with hooked(towers.model, adapter):
        added = vectors(towers, domain)
    with folded(towers.model, adapter):
        merged = vectors(towers, domain)
    assert (merged - plain).abs().max() > 1e-3
    torch.testing.assert_close(merged, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(added, theirs, rtol=1e-5, atol=1e-5)


def test_one_product_gives_the_outputs_and_the_gradients_of_pefts_three(towers: TowerLanguageModel) -> None:
    domain, start = planted_groups(20), trained(towers, [planted_groups(40)], RECIPE)[0]
    weights = torch.randn(domain.n_items, towers.encoder.dimension, generator=torch.Generator().manual_seed(0))
    found = []
    for dense in (False, True):
        with attached(towers.model, dataclasses.replace(RECIPE, dropout=0.0), 0, start=start, dense=dense) as factors:
            output = towers.item_vectors(domain, np.arange(domain.n_items))
            (output * weights).sum().backward()
            found.append([output.detach(), *(factor.grad for pair in factors.values() for factor in pair)])
    assert all(value.abs().max() > 0 for value in found[1])
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_with_dropout_there_is_no_one_product(towers: TowerLanguageModel) -> None:
    domain, start = planted_groups(20), trained(towers, [planted_groups(40)], RECIPE)[0]
    with attached(towers.model, dataclasses.replace(RECIPE, dropout=0.5), 0, start=start, dense=True):
        first, second = vectors(towers, domain), vectors(towers, domain)
    assert not torch.equal(first, second)


def test_folding_gives_the_very_weights_back_even_after_an_error(towers: TowerLanguageModel) -> None:
    adapter, _ = trained(towers, [planted_groups(20)], RECIPE)
    before = {name: layer.weight.clone() for name, layer in linear_modules(towers.model).items()}
    with pytest.raises(RuntimeError, match="inside"), folded(towers.model, adapter):
        raise RuntimeError("inside")
    assert all(torch.equal(layer.weight, before[name]) for name, layer in linear_modules(towers.model).items())


def test_training_twice_gives_the_same_adapter_and_raises_the_metric(towers, validation) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=4)
    first, log = trained(towers, [validation[0]], recipe, validation=[validation])
    again, _ = trained(towers, [validation[0]], recipe, validation=[validation])
    assert log.validation[log.best_check] == max(log.validation) > log.validation[0] + 0.1
    assert log.losses[-1] < log.losses[0]
    assert equal(first, again)
    assert first.temperature == again.temperature


def test_another_order_of_examples_starts_alike_and_ends_elsewhere(towers: TowerLanguageModel) -> None:
    domain = planted_groups(60)
    adapters = [trained(towers, [domain], RECIPE, order=order)[0] for order in (0, 1, 1)]
    assert len({adapter.initialisation for adapter in adapters}) == 1
    assert equal(adapters[1], adapters[2])
    assert not equal(adapters[0], adapters[1])
    recipe = dataclasses.replace(RECIPE, epochs=0)
    first, second = (trained(towers, [domain], recipe, order=order)[0] for order in (0, 1))
    assert equal(first, second)


def test_training_that_goes_on_from_an_adapter_starts_with_its_factors_and_temperature(towers, validation) -> None:
    start, _ = trained(towers, [validation[0]], RECIPE, validation=[validation])
    still, _ = trained(towers, [validation[0]], dataclasses.replace(RECIPE, epochs=0), start=start)
    assert equal(start, still)
    assert all(b.any() for _, b in still.factors.values())


def test_without_validation_the_last_state_is_taken(towers: TowerLanguageModel) -> None:
    adapter, log = trained(towers, [planted_groups(60)], RECIPE)
    assert (log.validation, log.best_check, log.ended, adapter.temperature) == ((), None, "unknown", None)
    assert log.losses
    assert all(b.any() for _, b in adapter.factors.values())


def test_the_order_in_which_domains_are_named_does_not_matter(towers: TowerLanguageModel) -> None:
    domains = [planted_groups(30, seed=seed) for seed in range(2)]
    assert equal(trained(towers, domains, RECIPE)[0], trained(towers, domains[::-1], RECIPE)[0])


def test_training_begins_at_the_temperature_that_calibrates_the_untrained_model(towers, validation) -> None:
    domain, queries, answers = validation
    still, _ = trained(towers, [domain], dataclasses.replace(RECIPE, epochs=0), validation=[validation])
    scores = towers.score(domain, queries, lambda _line: None)
    least = cross_entropy(scores / still.temperature, answers)
    grid = [cross_entropy(scores / temperature, answers) for temperature in np.geomspace(0.01, 50, 60)]
    assert least <= min(grid) + 1e-6
    assert least < cross_entropy(scores / TEMPERATURE, answers)
    assert still.head["logarithm"].exp().item() == pytest.approx(still.temperature, rel=1e-5)


def test_a_trained_adapter_keeps_the_temperature_that_calibrates_it_when_it_is_saved(towers, validation, tmp_path):
    domain, queries, answers = validation
    adapter, _ = trained(towers, [domain], dataclasses.replace(RECIPE, epochs=3), validation=[validation])
    scores = towers.score_with(adapter, domain, queries, lambda _line: None)
    least = cross_entropy(scores / adapter.temperature, answers)
    assert least < min(cross_entropy(scores / (factor * adapter.temperature), answers) for factor in (0.8, 1.25))
    save_adapter(tmp_path, adapter, {})
    assert load_adapter(tmp_path)[0].temperature == adapter.temperature


def test_dropout_keeps_the_mean_and_the_share() -> None:
    dropout = IntegerDropout(0.05, Masks(0))
    dropped = dropout(torch.ones(1000, 1000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.05, abs=1e-3)
    assert dropped.mean().item() == pytest.approx(1.0, abs=1e-3)


def test_dropout_does_nothing_outside_training_or_at_share_zero() -> None:
    values = torch.randn(10, 10)
    assert IntegerDropout(0.5, Masks(0)).eval()(values) is values
    assert IntegerDropout(0.0, Masks(0))(values) is values


def test_the_papers_backbone_has_the_papers_number_of_trained_parameters() -> None:
    """Qwen2-7B, rank 16, all linear layers: 40,370,176."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28}
    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config(vocab_size=152064, num_key_value_heads=4, **sizes))
    layers = linear_modules(model).values()
    assert len(layers) == 196
    assert sum(16 * (layer.in_features + layer.out_features) for layer in layers) == 40_370_176


def test_each_domain_gives_as_many_examples_as_asked(towers: TowerLanguageModel) -> None:
    domains = [planted_groups(60, seed=seed) for seed in range(3)]
    recipe = dataclasses.replace(RECIPE, max_examples=90, decay_share=0.0)
    _, together = trained(towers, domains, recipe)
    _, alone = trained(towers, domains[:1], recipe)
    assert together.n_examples == pytest.approx(3 * 90, abs=20)
    assert alone.n_examples == pytest.approx(90, abs=20)
