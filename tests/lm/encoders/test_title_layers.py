from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.backbones import local_backbone
from bench.lm.encoders.title_layers import TitleLayers, can_be_split
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.training.attachment import Factors, attached
from tests.support.text_toys import NOUNS

RECIPE = LoraRecipe(rank=4, alpha=8, dropout=0.0)
TITLES = [" ".join(NOUNS[start : start + n]) for start, n in enumerate([1, 5, 2, 2, 9, 0, 5, 1, 30, 2])]
SOME = np.array([8, 3, 1, 6, 5, 2, 2])


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in float32 even on a processor that trains in bfloat16."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)


@pytest.fixture
def towers(wide_encoder_folder: Path) -> TowerLanguageModel:
    return TowerLanguageModel(local_backbone("wide", wide_encoder_folder))


@pytest.fixture
def tokens(towers: TowerLanguageModel) -> list[list[int]]:
    return towers.encoder.tokenize(TITLES)


@contextmanager
def adapted(towers: TowerLanguageModel, n_top: int) -> Iterator[Factors]:
    """Put an adapter with random factors on the top layers while the block runs."""
    modules = towers.adapted_modules(LoraRecipe(adapted_layers=n_top))
    generator = torch.Generator().manual_seed(0)
    with attached(towers.model, RECIPE, 0, modules) as factors:
        drawn = {
            name: (0.3 * torch.randn(a.shape, generator=generator), 0.3 * torch.randn(b.shape, generator=generator))
            for name, (a, b) in factors.items()
        }
    with attached(towers.model, RECIPE, 0, modules, Adapter(drawn, 2.0, "base", "start"), dense=True) as factors:
        yield factors


def test_vectors_are_those_of_the_encoder(towers: TowerLanguageModel, tokens: list[list[int]]) -> None:
    assert can_be_split(towers.model)
    with torch.no_grad():
        expected = towers.encoder.encode([tokens[title] for title in SOME])
        for n_top in (0, 1, 2):
            found = TitleLayers(towers.model, tokens, n_top).vectors(SOME)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert (expected[1] - expected[0]).abs().max() > 0.1


@pytest.mark.parametrize("n_top", [0, 1, 2, 3])
def test_adapted_vectors_and_their_gradients_are_those_of_the_ordinary_path(towers, tokens, n_top: int) -> None:
    weights = torch.randn(len(SOME), 32, generator=torch.Generator().manual_seed(1))
    plain = TitleLayers(towers.model, tokens, n_top).vectors(SOME)
    with adapted(towers, n_top) as factors:
        layers = TitleLayers(towers.model, tokens, n_top)
        parameters = [factor for pair in factors.values() for factor in pair]

        def vectors_and_gradients(vectors: Tensor) -> list[Tensor]:
            return [vectors.detach(), *torch.autograd.grad((vectors * weights).sum(), parameters)]

        found = vectors_and_gradients(layers.vectors(SOME))
        expected = vectors_and_gradients(towers.encoder.encode([tokens[title] for title in SOME]))
    assert len(parameters) == 2 * 6 * min(n_top or 2, 2)
    assert (found[0] - plain).abs().max() > 0.05
    assert all(gradient.abs().max() > 1e-4 for gradient in found[1:])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_an_adapter_that_changes_later_changes_the_vectors(towers, tokens) -> None:
    """What is kept lies below the adapter, which is read anew each time."""
    with adapted(towers, 1) as factors, torch.no_grad():
        layers = TitleLayers(towers.model, tokens, 1)
        before = layers.vectors(SOME)
        for _, b in factors.values():
            b.mul_(-1)
        torch.testing.assert_close(
            layers.vectors(SOME), towers.encoder.encode([tokens[title] for title in SOME]), rtol=0, atol=1e-5
        )
        assert (layers.vectors(SOME) - before).abs().max() > 0.05


def test_a_title_has_one_vector_whatever_stands_beside_it(towers, tokens) -> None:
    layers = TitleLayers(towers.model, tokens, 1)
    together = layers.vectors(np.arange(len(TITLES)))
    for title in range(len(TITLES)):
        torch.testing.assert_close(layers.vectors(np.array([title]))[0], together[title], rtol=0, atol=1e-5)


def test_any_number_of_titles_is_read_in_parts(towers, tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = TitleLayers(towers.model, tokens, 1).vectors(SOME)
    monkeypatch.setattr("bench.lm.encoders.title_layers.TITLES_AT_ONCE", 2)
    found = TitleLayers(towers.model, tokens, 1).all_vectors(SOME)
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-5)
    assert not found.requires_grad


def test_bfloat16_is_near(towers, tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = TitleLayers(towers.model, tokens, 1).vectors(SOME)
    monkeypatch.setattr("bench.lm.encoders.title_layers.training_dtype", lambda _device: torch.bfloat16)
    monkeypatch.setattr("bench.lm.precision.training_dtype", lambda _device: torch.bfloat16)
    layers = TitleLayers(towers.model, tokens, 1)
    assert layers.below.dtype == torch.bfloat16
    found = layers.vectors(SOME)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)


def test_an_encoder_of_another_architecture_is_not_split(towers) -> None:
    towers.model.config.model_type = "modernbert"
    assert not can_be_split(towers.model)
