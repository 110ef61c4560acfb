"""Every training and every score on a second device: no tensor was left behind, and the numbers are the processor's.

What is fitted is the tiny fits whose numbers are known, and further ways of training the same models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from bench.learning.checkpoints import Checkpoint
from bench.learning.dot_scores import all_dots
from bench.learning.stepwise import Stepwise
from bench.lm.adapters.adapter import Adapter, LoraRecipe, linear_modules
from bench.lm.adapters.apply import hooked
from bench.lm.backbones import local_backbone
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.decoders.lists import ListLanguageModel
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.memory import PassLimit
from tests.learning.test_tiny_fits import RELATIVE, backbones, known, plain_arithmetic  # noqa: F401
from tests.support.adapter_training import trained
from tests.support.pair_toys import save_pico_deberta
from tests.support.second_device import SECOND, OnSecondDevice, noted_copies, second_device
from tests.support.tiny_fits import FITS, INTEGRATION, LORA, RECBOLE, TEXT, TRANSFERABLE, TinyFit, tiny_task

MCRPL = {**RECBOLE, "batch_size": 45, "source_epochs": 1, "dimensions": 16, "inner_dimensions": 32}
VARIANTS = (
    TinyFit("fmlp", {**RECBOLE, "batch_size": 50, "loss": "ce"}, variant="ce"),
    TinyFit("alpharec", {"epochs": 1, "negatives": 16, "map": "linear", "user_vector": "training"}, variant="linear"),
    TinyFit("mcrpl", {**MCRPL, "softmax": "all", "orthogonality": "coded", "trains": "prompts"}, variant="all"),
    TinyFit("unisrec", {**TRANSFERABLE, "mode": "inductive", "word_drop": 0.0, "quirk": True}, variant="inductive"),
    TinyFit("vqrec", {**TRANSFERABLE, "code_blocks": 4, "permutation": "random"}, variant="random"),
    TinyFit("llmrec", {**TEXT, "pooling": "cls", "freeze_words": False, "domains": "target"}, variant="cls"),
    TinyFit("recformer", {**TEXT, "pretrain_examples": 0, "second_epochs": 1}, variant="second stage"),
    TinyFit("p5", {**RECBOLE, "max_examples": 32, "mode": "id", "validation_queries": 10}, "seq2seq", variant="id"),
    TinyFit("text-linear", {"epochs": 1, "learning_rate": 1e-2, "batch_size": 20}),
    TinyFit("recbole:NARM", RECBOLE, variant="prefixes"),
    TinyFit("recbole:NeuMF", RECBOLE, variant="labels"),
    TinyFit("xcross", {**INTEGRATION, "pooling": "mean"}, "deberta", variant="deberta"),
    TinyFit("xlora", {**INTEGRATION, "layerwise": False}, "deberta", variant="deberta"),
    TinyFit("meteora", {**INTEGRATION, "top_k": 1}, "wide encoder", variant="one"),
)


@pytest.fixture(autouse=True)
def _on_one_thread(plain_arithmetic: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Compute as the known numbers were, with the masks of dropout that a processor draws."""
    monkeypatch.setattr("bench.lm.training.dropout.DRAWN_BY_NUMPY", ("cpu", SECOND))


@pytest.fixture(scope="module")
def folders(backbones: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:  # noqa: F811
    return {**backbones, "deberta": save_pico_deberta(tmp_path_factory.mktemp("deberta"), backbones["encoder"])}


@pytest.fixture
def device() -> Iterator[str]:
    with second_device() as name:
        yield name


def number_on(device: str, fit: TinyFit, folder: Path, backbone: Path) -> float:
    """Return a fit's number, and see to it that what was trained lay on the device; a merge's few weights need not."""
    task, queries = tiny_task(folder, backbone)
    trained_on: set[frozenset[str]] = set()

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        trained_on.add(frozenset(weight.device.type for weight in weights))

    watched = register_optimizer_step_post_hook(note)
    try:
        number = fit.number(replace(task, device=device), queries)
    finally:
        watched.remove()
    assert frozenset({device}) in trained_on
    assert all(len(devices) == 1 for devices in trained_on)
    return number


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
def test_a_few_steps_amount_to_what_they_do_on_the_processor(
    fit: TinyFit, folders: dict[str, Path], tmp_path: Path, device: str
) -> None:
    assert number_on(device, fit, tmp_path, folders[fit.backbone]) == pytest.approx(known()[fit.name], rel=RELATIVE)


@pytest.mark.parametrize("fit", VARIANTS, ids=lambda fit: fit.name)
def test_so_do_those_of_other_ways_of_training(fit: TinyFit, folders: dict[str, Path], tmp_path: Path) -> None:
    expected = number_on("cpu", fit, tmp_path / "processor", folders[fit.backbone])
    with second_device() as device:
        found = number_on(device, fit, tmp_path / "second", folders[fit.backbone])
    assert found == pytest.approx(expected, rel=RELATIVE)


def test_a_training_that_is_killed_there_goes_on_there_and_ends_the_same(
    pico_encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr("bench.learning.stepwise.SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    task, _ = tiny_task(tmp_path, pico_encoder_folder)
    validation = [(task.target, task.validation, task.validation_answers)]
    recipe, checkpoint = LoraRecipe(**{**LORA, "decay_share": 0.5}), Checkpoint(tmp_path / "state")

    def adapter(kill_at: int | None = None) -> Adapter:
        towers, steps = TowerLanguageModel(local_backbone("pico", pico_encoder_folder), device), count()
        loss = towers.loss
        monkeypatch.setattr(towers, "loss", lambda batch: None if next(steps) == kill_at else loss(batch))
        return trained(towers, [task.target], recipe, validation=validation, checkpoint=checkpoint)[0]

    expected = adapter()
    checkpoint.remove()
    with pytest.raises(AttributeError):
        adapter(kill_at=2)
    assert checkpoint.load()
    found = adapter()
    assert all(torch.equal(found.factors[name][1], b) for name, (_, b) in expected.factors.items())
    assert found.head.keys() == expected.head.keys()


@pytest.mark.parametrize("reader", [GenerativeLanguageModel, ListLanguageModel])
def test_a_step_copies_the_tokens_to_the_device_and_waits_for_nothing(
    reader: type[GenerativeLanguageModel], pico_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.lm.training.dropout.DRAWN_BY_NUMPY", ("cpu",))
    monkeypatch.setattr("bench.lm.training.passes.OF_UNKNOWN_MEMORY", PassLimit(2000, 0))
    monkeypatch.setattr("bench.learning.stepwise.SECONDS_BETWEEN_READINGS", float("inf"))  # of losses, by time
    domain, step = tiny_task(tmp_path, pico_folder)[0].target, Stepwise._step
    copies: list[tuple[list[torch.dtype], list[str]]] = []

    def noted(training: Stepwise, *batch: Any) -> None:
        with noted_copies() as found:
            step(training, *batch)
        copies.append(found)

    monkeypatch.setattr(Stepwise, "_step", noted)
    with second_device() as device:
        decoder = reader(local_backbone("pico", pico_folder), device)
        adapter, log = trained(decoder, [domain], LoraRecipe(**{**LORA, "dropout": 0.3}))
    assert log.n_steps == len(copies) > 2
    assert all(not back for _, back in copies)
    assert {dtype for there, _ in copies for dtype in there} == {torch.int64}
    assert all(len(there) % 3 == 0 for there, _ in copies)
    assert max(len(there) for there, _ in copies) > 3
    assert all(b.any() for _, b in adapter.factors.values())


def test_the_loss_of_a_list_is_the_processor_s(pico_folder: Path, tmp_path: Path) -> None:
    domain = tiny_task(tmp_path, pico_folder)[0].target
    recipe = LoraRecipe(**LORA)

    def loss(device: str) -> float:
        reader = ListLanguageModel(local_backbone("pico", pico_folder), device)
        batch, _ = next(reader.batches([domain], recipe, np.random.default_rng(0)))
        return reader.loss(batch).item()

    expected = loss("cpu")
    with second_device() as device:
        assert loss(device) == pytest.approx(expected, rel=RELATIVE)


def test_the_entropy_under_adapters_on_the_processor_is_the_processor_s(pico_folder: Path, tmp_path: Path) -> None:
    task, queries = tiny_task(tmp_path, pico_folder)
    few, generator = queries.take(np.arange(3)), torch.Generator().manual_seed(0)
    shapes = {
        name: (module.in_features, module.out_features)
        for name, module in linear_modules(GenerativeLanguageModel(local_backbone("pico", pico_folder)).model).items()
    }
    factors = {
        name: (torch.randn(2, n_in, generator=generator), torch.randn(n_out, 2, generator=generator).requires_grad_())
        for name, (n_in, n_out) in shapes.items()
    }

    def entropy_and_gradient(device: str) -> tuple[float, torch.Tensor]:
        reader = GenerativeLanguageModel(local_backbone("pico", pico_folder), device)
        with hooked(reader.model, Adapter(factors, 0.1, reader.backbone.revision, "toy")):
            entropy = reader.entropy(task.target, few)
        return entropy.item(), torch.autograd.grad(entropy, [b for _, b in factors.values()])[0]

    expected, gradient = entropy_and_gradient("cpu")
    with second_device() as device:
        found, found_gradient = entropy_and_gradient(device)
    assert found == pytest.approx(expected, rel=RELATIVE)
    torch.testing.assert_close(found_gradient, gradient, rtol=1e-3, atol=1e-6)


def test_equal_items_score_the_same_there_too(device: str) -> None:
    items = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]], device=device)
    scores = all_dots(torch.ones(2, 2, device=device), items)
    assert scores.device.type == device
    assert scores.cpu().tolist() == [[3.0, 7.0, 3.0]] * 2


def test_tensors_of_two_devices_never_meet(device: str) -> None:
    there, here = torch.ones(3, 2, device=device), torch.ones(3, 2)
    for meeting in (
        lambda: there + here,
        lambda: torch.cat([there, here]),
        lambda: there[torch.tensor([0, 1])],
        lambda: there[here > 0],
        lambda: here[torch.tensor([0, 1], device=device)],
        lambda: there.masked_fill(here > 0, 0.0),
        lambda: torch.where(here > 0, there, 0.0),
        lambda: there.index_add_(0, torch.tensor([0]), there[:1]),
        lambda: nn.Linear(2, 2)(there),
        lambda: nn.Embedding(3, 2).to(device)(torch.tensor([1])),
    ):
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            meeting()
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    assert (there + torch.tensor(1.0)).device.type == device


def test_tensors_that_are_moved_keep_their_values_and_gradients(device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer, states = nn.Linear(4, 3), torch.randn(5, 4, generator=generator)
    layer(states).square().sum().backward()
    expected: Any = layer.weight.grad
    layer.zero_grad()
    moved = layer.to(device)
    assert isinstance(moved.weight, OnSecondDevice)
    moved(states.to(device)).square().sum().backward()
    assert moved.weight.grad.device.type == device
    assert torch.equal(moved.weight.grad.cpu(), expected)
    assert type(moved.weight.detach().cpu()) is torch.Tensor
