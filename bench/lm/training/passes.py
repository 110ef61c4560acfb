"""Divide training batches into passes that fit in a device's memory, without changing what is learned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from bench.errors import BenchError
from bench.lm.memory import (
    BFLOAT16,
    FEWEST_TOKENS,
    FLOAT32,
    NO_LIMIT,
    SHARE_OF_DEVICE,
    DecoderShape,
    PassLimit,
    pass_limit,
    recomputing_limit,
)
from bench.lm.precision import training_dtype

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import LoraRecipe
    from bench.lm.language_model import LanguageModel

SHARE_OF_A_CPU = 0.5
"""Fraction of the machine's memory that a CPU's activations may take before layers are recomputed."""
OF_UNKNOWN_MEMORY = PassLimit(FEWEST_TOKENS, 0)
"""Limit of an accelerator that does not state its memory."""


def limit_for(language_model: LanguageModel, recipe: LoraRecipe) -> PassLimit:
    """Return how batches are divided on the model's device; models without recomputable layers have no limit.

    A CPU never divides a batch, so that its results do not depend on its memory. On an accelerator, each pass draws its
    own dropout masks, and sums are rounded differently.
    """
    if not language_model.layers:
        return NO_LIMIT
    device = next(language_model.model.parameters()).device
    try:
        shape = DecoderShape.of_config(language_model.model.config.to_dict())  # type: ignore[operator,union-attr]
    except BenchError:
        return NO_LIMIT if device.type == "cpu" else OF_UNKNOWN_MEMORY
    dropout = bool(recipe.dropout)
    if device.type == "cpu":
        return recomputing_limit(shape, SHARE_OF_A_CPU * memory_of_machine(), recipe.rank, dropout=dropout)
    if device.type != "cuda":
        return OF_UNKNOWN_MEMORY
    element = BFLOAT16 if training_dtype(device) == torch.bfloat16 else FLOAT32
    share = float(os.environ.get(SHARE_OF_DEVICE, "1"))
    device_bytes = int(share * torch.cuda.get_device_properties(device).total_memory)
    return pass_limit(shape, device_bytes, recipe.rank, dropout=dropout, element=element)


def memory_of_machine() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
