from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.lm.backbones import local_backbone
from bench.lm.encoders import title_layers
from bench.lm.encoders.title_attention import GroupedAttention, PaddedAttention
from bench.lm.encoders.title_layers import TitleLayers
from bench.lm.encoders.towers import TowerLanguageModel

LENGTHS = np.array([2, 3, 3, 7, 12])
N_HEADS = 4


def inputs() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(int(LENGTHS.sum()), 16, generator=generator).requires_grad_() for _ in range(3)]


def test_padded_attention_and_its_gradients_equal_those_of_groups() -> None:
    projected, weights = inputs(), torch.randn(int(LENGTHS.sum()), 16, generator=torch.Generator().manual_seed(1))
    expected = GroupedAttention(LENGTHS).attend(*projected, N_HEADS)
    found = PaddedAttention(LENGTHS, torch.device("cpu")).attend(*projected, N_HEADS)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad((each * weights).sum(), projected) for each in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert all(gradient.abs().max() > 0.01 for gradient in gradients[0])


def test_padded_means_equal_those_of_groups() -> None:
    states = inputs()[0]
    expected = torch.stack([title.mean(0) for title in torch.split(states, LENGTHS.tolist())])
    torch.testing.assert_close(GroupedAttention(LENGTHS).means(states), expected)
    torch.testing.assert_close(PaddedAttention(LENGTHS, torch.device("cpu")).means(states), expected)


def test_tokens_of_other_titles_are_not_read() -> None:
    queries, keys, values = inputs()
    first = int(LENGTHS[0])
    changed = torch.cat([values[:first], values[first:] + 1])
    for attention in (GroupedAttention(LENGTHS), PaddedAttention(LENGTHS, torch.device("cpu"))):
        before, after = (attention.attend(queries, keys, each, N_HEADS) for each in (values, changed))
        torch.testing.assert_close(before[:first], after[:first])
        assert (before[first:] - after[first:]).abs().min() > 0.5


@pytest.mark.parametrize("exact", [False, True])
def test_only_training_on_an_accelerator_pads(
    wide_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    towers = TowerLanguageModel(local_backbone("wide", wide_encoder_folder))
    layers = TitleLayers(towers.model, [[1, 2], [3, 4, 5]], 1, exact=exact)
    monkeypatch.setattr(title_layers, "PaddedAttention", lambda _lengths, device: device.type)
    assert isinstance(layers._attention(LENGTHS), GroupedAttention)
    layers.device = torch.device("cuda")
    attention = layers._attention(LENGTHS)
    assert isinstance(attention, GroupedAttention) if exact else attention == "cuda"


def test_vectors_of_titles_do_not_depend_on_the_padding(
    wide_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # float32
    towers = TowerLanguageModel(local_backbone("wide", wide_encoder_folder))
    tokens = towers.encoder.tokenize(["a blue jar", "soap", "a very long title of a thing", "comb"])
    layers, titles = TitleLayers(towers.model, tokens, 1), np.array([2, 0, 3, 1])
    expected = layers.vectors(titles)
    monkeypatch.setattr(layers, "_attention", lambda lengths: PaddedAttention(lengths, torch.device("cpu")))
    torch.testing.assert_close(layers.vectors(titles), expected, rtol=0, atol=1e-5)
