"""Dividing batches and recomputing layers: gradients are those of one plain pass over the whole batch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines.tallrec_yesno import YesNoLanguageModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.backbones import local_backbone
from bench.lm.decoders.attention import attending_by
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.decoders.lists import ListLanguageModel
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.language_model import LanguageModel
from bench.lm.memory import CPU_TOKENS, NO_LIMIT, SHARE_OF_DEVICE, PassLimit
from bench.lm.training.attachment import attached
from bench.lm.training.dropout import IntegerDropout, Masks
from bench.lm.training.passes import OF_UNKNOWN_MEMORY, limit_for
from bench.lm.training.recompute import recomputed
from tests.support.adapter_training import trained

RECIPE = LoraRecipe(
    rank=4, alpha=8, learning_rate=1e-2, epochs=1, batch_size=6, max_examples=24, warmup_steps=2, dropout=0.0
)
DECODERS = (GenerativeLanguageModel, ListLanguageModel, YesNoLanguageModel)


def gradients(language_model: LanguageModel, batch, recipe: LoraRecipe, max_tokens: int | None, *, recompute=False):
    """Return the loss of a batch, the gradients of all factors, and the number of passes."""
    with attached(language_model.model, recipe, 0, language_model.adapted_modules(recipe)) as factors:
        for _, b in factors.values():
            torch.nn.init.normal_(b, std=0.1, generator=torch.Generator().manual_seed(1))
        masks = next(module.masks for module in language_model.model.modules() if isinstance(module, IntegerDropout))
        parts = language_model.parts(batch, max_tokens)
        total = 0.0
        for part in parts:
            with recomputed(language_model.layers if recompute else (), masks):
                loss = part.share * language_model.loss(part.batch)
            loss.backward()
            total += loss.item()
        found = [factor.grad.clone() for pair in factors.values() for factor in pair if factor.grad is not None]
    return total, found, len(parts)


@pytest.fixture(params=DECODERS)
def language_model(request, pico_folder: Path) -> LanguageModel:
    return request.param(local_backbone("pico", pico_folder))


@pytest.fixture
def batch(language_model, make_domain):
    return next(language_model.batches([make_domain()], RECIPE, np.random.default_rng(0)))[0]


@pytest.mark.parametrize("max_tokens", [1, 1200])
def test_the_gradients_of_a_divided_batch_are_those_of_the_whole(language_model, batch, max_tokens) -> None:
    language_model.model.double()  # so that only a wrong share can tell the two apart
    loss, whole, n_passes = gradients(language_model, batch, RECIPE, None)
    divided_loss, divided, n_divided = gradients(language_model, batch, RECIPE, max_tokens)
    assert n_passes == 1 < n_divided
    assert divided_loss == pytest.approx(loss, rel=1e-9)
    assert max(gradient.abs().max().item() for gradient in whole) > 1e-4
    torch.testing.assert_close(divided, whole, rtol=1e-6, atol=1e-9)


def test_a_whole_batch_is_one_part_in_its_own_order(language_model, batch) -> None:
    (part,) = language_model.parts(batch, None)
    assert (part.batch, part.share) == (batch, 1.0)
    assert part.n_tokens > 10 * len(batch)


def test_recomputed_layers_give_the_very_gradients_dropout_included(language_model, batch) -> None:
    recipe = LoraRecipe(rank=4, alpha=8, dropout=0.3)
    loss, plain, _ = gradients(language_model, batch, recipe, None)
    again_loss, again, _ = gradients(language_model, batch, recipe, None, recompute=True)
    assert again_loss == loss
    assert all(map(torch.equal, plain, again))


def test_each_layer_runs_a_second_time_although_the_base_is_in_evaluation_mode(language_model, batch) -> None:
    runs: list[int] = []
    layers = language_model.layers
    for number, layer in enumerate(layers):
        layer.mlp.register_forward_pre_hook(lambda *_, number=number: runs.append(number))
    assert not any(layer.training for layer in layers)
    gradients(language_model, batch, RECIPE, None)
    assert sorted(runs) == list(range(len(layers)))
    runs.clear()
    gradients(language_model, batch, RECIPE, None, recompute=True)
    assert sorted(runs) == sorted([*range(len(layers))] * 2)


def test_the_second_run_attends_as_the_first_although_the_model_has_its_own_attention_again(pico_folder) -> None:
    decoder = GenerativeLanguageModel(local_backbone("pico", pico_folder))
    model, called = decoder.model, []

    def noted(*args: Any, **kwargs: Any) -> Any:
        called.append(True)
        return sdpa_attention_forward(*args, **kwargs)

    usual = model.config._attn_implementation
    embedded = model.get_input_embeddings()(torch.tensor([[5, 6, 7]])).requires_grad_()
    with attending_by(model, "noted", noted), recomputed(decoder.layers):
        loss = model.get_decoder()(inputs_embeds=embedded, use_cache=False).last_hidden_state.sum()
    n_layers = len(called)
    assert n_layers == len(decoder.layers)
    loss.backward()
    assert len(called) == 2 * n_layers
    assert model.config._attn_implementation == usual


def test_layers_are_as_they_were_after_the_block(language_model) -> None:
    before = [layer.forward for layer in language_model.layers]
    with recomputed(language_model.layers):
        assert all(layer.forward != method for layer, method in zip(language_model.layers, before, strict=True))
    assert [layer.forward for layer in language_model.layers] == before
    assert all("forward" not in vars(layer) for layer in language_model.layers)


def test_a_training_in_small_passes_ends_with_the_same_adapter(pico_folder, make_domain, monkeypatch) -> None:
    def adapter(limit: PassLimit):
        monkeypatch.setattr("bench.lm.training.lora.limit_for", lambda *_: limit)
        decoder = GenerativeLanguageModel(local_backbone("pico", pico_folder))
        decoder.model.double()
        return trained(decoder, [make_domain()], RECIPE)

    (whole, log), (divided, divided_log) = adapter(NO_LIMIT), adapter(PassLimit(1200, 0))
    assert divided_log.losses == pytest.approx(log.losses, rel=1e-6)
    assert all(b.any() for _, b in whole.factors.values())
    for name, factors in whole.factors.items():
        torch.testing.assert_close(divided.factors[name], factors, rtol=1e-4, atol=1e-5)


def test_a_processors_passes_are_short_whatever_its_memory_which_decides_what_is_recomputed(
    pico_folder, monkeypatch
) -> None:
    decoder = GenerativeLanguageModel(local_backbone("pico", pico_folder))
    ample = limit_for(decoder, RECIPE)
    monkeypatch.setattr("bench.lm.training.passes.memory_of_machine", lambda: 10**6)
    scarce = limit_for(decoder, RECIPE)
    assert ample.tokens == scarce.tokens == CPU_TOKENS
    assert scarce.recomputed_above < 200 < ample.recomputed_above


def test_a_model_whose_examples_depend_on_each_other_has_no_limit(pico_encoder_folder) -> None:
    towers = TowerLanguageModel(local_backbone("pico", pico_encoder_folder))
    assert limit_for(towers, RECIPE) is NO_LIMIT
    assert [part.share for part in towers.parts("a batch", 1)] == [1.0]


def test_masks_drawn_again_are_the_same_and_do_not_disturb_the_stream() -> None:
    masks, values = Masks(3), torch.ones(4, 5)
    state = masks.state()
    first, second = masks.kept(values, 2**15), masks.kept(values, 2**15)
    with masks.again_from(state):
        assert torch.equal(masks.kept(values, 2**15), first)
    third = masks.kept(values, 2**15)
    masks.reseed(3)
    assert [torch.equal(masks.kept(values, 2**15), drawn) for drawn in (first, second, third)] == [True] * 3
    assert not torch.equal(first, second)


def test_an_accelerator_of_unknown_memory_gets_short_passes_that_recompute() -> None:
    assert OF_UNKNOWN_MEMORY.tokens == 4096
    assert OF_UNKNOWN_MEMORY.recomputed_above == 0


def test_processes_that_share_an_accelerator_plan_for_their_share_of_its_memory(pico_folder, monkeypatch) -> None:
    decoder = GenerativeLanguageModel(local_backbone("pico", pico_folder))
    on_device = SimpleNamespace(device=torch.device("cuda"))
    model = SimpleNamespace(parameters=lambda: iter([on_device]), config=decoder.model.config)
    there = SimpleNamespace(layers=decoder.layers, model=model)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)

    def longest(n_bytes: float) -> int:
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=int(n_bytes)))
        return limit_for(there, RECIPE).tokens

    whole, half = longest(2e8), longest(1e8)
    assert whole > half > 0
    monkeypatch.setenv(SHARE_OF_DEVICE, "0.5")
    assert longest(2e8) == half
