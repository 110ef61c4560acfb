"""Which number format a device trains in; final scores are float32, but where a method states otherwise."""

from __future__ import annotations

import torch


def training_dtype(device: str | torch.device) -> torch.dtype:
    """Return bfloat16 where the device computes in it natively, float32 elsewhere."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    abilities = torch.cpu.get_capabilities() if kind == "cpu" else {}
    native = abilities.get("avx512_bf16", False) or abilities.get("amx_tile", False)
    return torch.bfloat16 if native else torch.float32


def training_precision(device: str | torch.device) -> torch.autocast:
    """Return a context in which matrix products run in :func:`training_dtype`; in float32 it changes nothing."""
    dtype = training_dtype(device)
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)
