"""A merged adapter folded into the weights against the same merge at work in the forward pass, float32."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.backbones import local_backbone
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.merging.average import MergeSpace, merge, mixed
from bench.lm.training.attachment import attached
from tests.support.text_toys import planted_groups

EQUAL = {"rtol": 1e-5, "atol": 1e-5}
WEIGHTS = torch.tensor([0.2, 0.3, 0.5])


def strong_adapters(model: torch.nn.Module, revision: str) -> list[Adapter]:
    """Return three adapters of one initialisation whose random B changes the outputs well beyond rounding."""
    made = []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        with attached(model, LoraRecipe(rank=4, alpha=8), 0) as factors:
            random = {
                name: (a.detach().clone(), 0.1 * torch.randn(b.shape, generator=generator))
                for name, (a, b) in factors.items()
            }
        made.append(Adapter(random, 2.0, revision, "group"))
    return made


@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_a_merged_adapter_equals_the_forward_pass_of_an_encoder(space: MergeSpace, pico_encoder_folder: Path) -> None:
    towers, domain = TowerLanguageModel(local_backbone("pico", pico_encoder_folder)), planted_groups(20)
    adapters = strong_adapters(towers.model, "pico")

    def vectors() -> torch.Tensor:
        return towers.item_vectors(domain, np.arange(domain.n_items))

    with torch.no_grad():
        plain = vectors()
        with mixed(towers.model, adapters, WEIGHTS, space):
            expected = vectors()
        with folded(towers.model, merge(adapters, WEIGHTS, space)):
            torch.testing.assert_close(vectors(), expected, **EQUAL)
    assert (expected - plain).abs().max() > 1e-2


@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_a_merged_adapter_equals_the_forward_pass_of_a_decoder(space: MergeSpace, pico) -> None:
    ids = torch.arange(3, 40)[None]
    adapters = strong_adapters(pico.model, "pico")
    with torch.no_grad():
        plain = pico.model(ids).logits
        with mixed(pico.model, adapters, WEIGHTS, space):
            expected = pico.model(ids).logits
        with folded(pico.model, merge(adapters, WEIGHTS, space)):
            torch.testing.assert_close(pico.model(ids).logits, expected, **EQUAL)
    assert (expected - plain).abs().max() > 1e-2


def test_each_adapter_s_update_adds_up_in_delta_space(pico) -> None:
    """The merge's forward pass is that of the weighted sum of each adapter's own update, layer by layer."""
    adapters = strong_adapters(pico.model, "pico")
    name = next(iter(adapters[0].factors))
    layer = pico.model.get_submodule(name)
    inputs = torch.randn(5, layer.in_features, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        plain = layer(inputs)
        alone = []
        for adapter in adapters:
            with folded(pico.model, adapter):
                alone.append(layer(inputs) - plain)
        with folded(pico.model, merge(adapters, WEIGHTS, "delta")):
            together = layer(inputs) - plain
    expected = sum(weight * update for weight, update in zip(WEIGHTS, alone, strict=True))
    torch.testing.assert_close(together, expected, **EQUAL)
