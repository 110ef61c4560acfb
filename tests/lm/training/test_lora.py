from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.lm.adapters.adapter import LoraRecipe, linear_modules
from bench.lm.adapters.apply import folded, hooked
from bench.lm.backbones import local_backbone
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.training.dropout import IntegerDropout
from bench.lm.training.lora import MIN_SLICE_USERS, attached, cosine_share, hold_back_slice, train_adapter, with_last
from tests.support.text_toys import planted_groups

RECIPE = LoraRecipe(rank=4, alpha=8, learning_rate=1e-2, epochs=1, batch_size=16)


@pytest.fixture
def towers(pico_encoder_folder: Path) -> TowerLanguageModel:
    return TowerLanguageModel(local_backbone("pico", pico_encoder_folder))


def vectors(towers: TowerLanguageModel, domain) -> torch.Tensor:
    with torch.no_grad():
        return towers.item_vectors(domain, np.arange(domain.n_items))


def test_an_untrained_adapter_changes_no_output(towers: TowerLanguageModel) -> None:
    domain = planted_groups(20)
    before = vectors(towers, domain)
    with attached(towers.model, LoraRecipe(dropout=0.0), 0):
        torch.testing.assert_close(vectors(towers, domain), before, rtol=0, atol=0)


def test_the_model_is_as_it_was_once_the_adapter_is_detached(towers: TowerLanguageModel) -> None:
    domain = planted_groups(20)
    before, layers = vectors(towers, domain), list(linear_modules(towers.model))
    train_adapter(towers, [domain], RECIPE, 0, lambda _line: None)
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
    adapter, _ = train_adapter(towers, [domain], RECIPE, 0, lambda _line: None)
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


def test_folding_gives_the_very_weights_back_even_after_an_error(towers: TowerLanguageModel) -> None:
    adapter, _ = train_adapter(towers, [planted_groups(20)], RECIPE, 0, lambda _line: None)
    before = {name: layer.weight.clone() for name, layer in linear_modules(towers.model).items()}
    with pytest.raises(RuntimeError, match="inside"), folded(towers.model, adapter):
        raise RuntimeError("inside")
    assert all(torch.equal(layer.weight, before[name]) for name, layer in linear_modules(towers.model).items())


def test_training_twice_gives_the_same_adapter_and_lowers_the_loss(towers: TowerLanguageModel) -> None:
    domain = planted_groups(120)
    recipe = LoraRecipe(rank=4, alpha=8, learning_rate=1e-2, epochs=4, batch_size=16, slice_share=0.5)
    first, log = train_adapter(towers, [domain], recipe, 0, lambda _line: None)
    again, _ = train_adapter(towers, [domain], recipe, 0, lambda _line: None)
    assert log.slice_losses[log.best_check] == min(log.slice_losses) < log.slice_losses[0]
    assert all(torch.equal(first.factors[name][1], again.factors[name][1]) for name in first.factors)


def test_the_slice_and_what_is_learned_share_no_user() -> None:
    domain = planted_groups(200)
    learned, held = hold_back_slice(domain, 0.3, 0)
    in_learned, in_held = np.diff(learned.indptr) > 0, np.diff(held.indptr) > 0
    assert not (in_learned & in_held).any()
    assert learned.n_interactions + held.n_interactions == domain.n_interactions
    assert 40 < in_held.sum() < 80


def test_a_slice_of_few_users_is_not_held_back_and_the_last_state_is_taken(towers: TowerLanguageModel) -> None:
    domain = planted_groups(200)
    learned, held = hold_back_slice(domain, (MIN_SLICE_USERS - 1) / 200, 0)
    assert (learned.n_interactions, held.n_interactions) == (domain.n_interactions, 0)
    adapter, log = train_adapter(towers, [domain], RECIPE, 0, lambda _line: None)
    assert (log.slice_losses, log.best_check) == ([], None)
    assert log.losses
    assert all(b.any() for _, b in adapter.factors.values())


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    shares = [cosine_share(step, 100, LoraRecipe(warmup_share=0.05)) for step in range(101)]
    assert shares[0] == pytest.approx(0.2)
    assert max(shares) == shares[5] == 1.0
    assert shares[100] == pytest.approx(0.0, abs=1e-9)
    assert cosine_share(120, 100, LoraRecipe()) == pytest.approx(0.0, abs=1e-9)


def test_the_last_item_is_told_apart() -> None:
    assert list(with_last(iter("abc"))) == [("a", False), ("b", False), ("c", True)]
    assert list(with_last(iter(""))) == []


def test_dropout_keeps_the_mean_and_the_share() -> None:
    dropout = IntegerDropout(0.05, np.random.default_rng(0))
    dropped = dropout(torch.ones(1000, 1000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.05, abs=1e-3)
    assert dropped.mean().item() == pytest.approx(1.0, abs=1e-3)


def test_dropout_does_nothing_outside_training_or_at_share_zero() -> None:
    values = torch.randn(10, 10)
    assert IntegerDropout(0.5, np.random.default_rng(0)).eval()(values) is values
    assert IntegerDropout(0.0, np.random.default_rng(0))(values) is values


def test_the_papers_backbone_has_the_papers_number_of_trained_parameters() -> None:
    """Qwen2-7B, rank 16, all linear layers: 40,370,176."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28}
    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config(vocab_size=152064, num_key_value_heads=4, **sizes))
    layers = linear_modules(model).values()
    assert len(layers) == 196
    assert sum(16 * (layer.in_features + layer.out_features) for layer in layers) == 40_370_176


def test_examples_are_shared_out_evenly_between_domains(towers: TowerLanguageModel) -> None:
    domains = [planted_groups(60, seed=seed) for seed in range(3)]
    recipe = LoraRecipe(rank=4, alpha=8, batch_size=4, max_examples=90, slice_share=0.0)
    _, together = train_adapter(towers, domains, recipe, 0, lambda _line: None)
    _, alone = train_adapter(towers, domains[:1], recipe, 0, lambda _line: None)
    assert 90 <= together.n_examples <= 90 + 3 * 8
    assert 90 <= alone.n_examples <= 90 + 8
