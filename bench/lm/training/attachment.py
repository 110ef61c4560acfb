"""Attach LoRA factors to a model's layers with PEFT while they are trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from bench.files.hashing import derived_seed
from bench.lm.adapters.adapter import Adapter, LoraRecipe, linear_modules
from bench.lm.training.dropout import IntegerDropout, Masks
from bench.lm.training.one_product import by_one_product

ADAPTER_NAME = "trained"

Factors = Mapping[str, tuple[nn.Parameter, nn.Parameter]]
"""(A, B) by module name."""


@contextmanager
def attached(
    model: nn.Module,
    recipe: LoraRecipe,
    seed: int,
    modules: Sequence[str] = (),
    start: Adapter | None = None,
    *,
    dense: bool = False,
) -> Iterator[Factors]:
    """Attach PEFT's LoRA to a model's linear layers while the block runs and yield (A, B) by module name.

    The base stays frozen and in evaluation mode; only the adapter's dropout is active.

    Args:
        model: The model to adapt; restored afterwards.
        recipe: Rank, alpha and dropout.
        seed: Seed of the initialization.
        modules: Full names of the layers; empty adapts all.
        start: An adapter whose factors replace the initialization.
        dense: Multiply by W + scaling · B·A, one product instead of three; only without dropout.
    """
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer

    dropout = recipe.dropout or 0.0
    names = list(modules or linear_modules(model))
    settings = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=dropout, target_modules=names)
    # PEFT draws A from torch's global generator, on the CPU
    with torch.random.fork_rng(devices=[]), quiet_peft():
        torch.manual_seed(derived_seed(seed, "lora-initialisation"))
        wrapped = get_peft_model(model, settings, adapter_name=ADAPTER_NAME)
    factors: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
    masks = Masks(mask_seed(seed))
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            layer.lora_dropout[ADAPTER_NAME] = IntegerDropout(dropout, masks)
            factors[name] = (layer.lora_A[ADAPTER_NAME].weight, layer.lora_B[ADAPTER_NAME].weight)
            if dense and not dropout:
                layer.forward = partial(by_one_product, layer, ADAPTER_NAME)
    try:
        for name, (a, b) in start.factors.items() if start is not None else ():
            factors[name][0].data.copy_(a)
            factors[name][1].data.copy_(b)
        yield factors
    finally:
        wrapped.unload()


def mask_seed(seed: int, step: int = 0, part: int = 0) -> int:
    """Return the seed of the dropout masks of one step, or of one part of its batch."""
    return derived_seed(seed, "dropout", str(step), *([str(part)] if part else []))


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Silence a warning caused by PEFT reading a transformers attribute that the next release renames."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        yield
