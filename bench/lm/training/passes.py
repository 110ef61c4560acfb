"""Divide training batches into passes that fit in a device's memory, without changing what is learned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from bench.errors import BenchError
from bench.learning.freed_memory import memory_of_machine
from bench.lm.memory import (
    BFLOAT16,
    CPU_TOKENS,
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
OF_UNKNOWN_SHAPE = PassLimit(CPU_TOKENS, float("inf"))
"""Limit of a CPU for a decoder whose memory is not known."""
OF_UNKNOWN_MEMORY = PassLimit(FEWEST_TOKENS, 0)
"""Limit of an accelerator that does not state its memory."""


def limit_for(language_model: LanguageModel, recipe: LoraRecipe) -> PassLimit:
    """Return how batches are divided on the model's device; models without recomputable layers have no limit.

    Each pass draws its own dropout masks, and sums are rounded differently. A CPU's passes have the same length
    whatever its memory, so that its results do not depend on that.
    """
    if not language_model.layers:
        return NO_LIMIT
    device = next(language_model.model.parameters()).device
    try:
        shape = DecoderShape.of_config(language_model.model.config.to_dict())  # type: ignore[operator,union-attr]
    except BenchError:
        return OF_UNKNOWN_SHAPE if device.type == "cpu" else OF_UNKNOWN_MEMORY
    dropout = bool(recipe.dropout)
    if device.type == "cpu":
        return recomputing_limit(shape, SHARE_OF_A_CPU * memory_of_machine(), recipe.rank, dropout=dropout)
    if device.type != "cuda":
        return OF_UNKNOWN_MEMORY
    element = BFLOAT16 if training_dtype(device) == torch.bfloat16 else FLOAT32
    share = float(os.environ.get(SHARE_OF_DEVICE, "1"))
    device_bytes = int(share * torch.cuda.get_device_properties(device).total_memory)
    return pass_limit(shape, device_bytes, recipe.rank, dropout=dropout, element=element)
