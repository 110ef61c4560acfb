"""Choose the number format in which a device trains; final scores are float32 unless a method states otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn


def training_dtype(device: str | torch.device) -> torch.dtype:
    """Return bfloat16 if the device computes in it natively, otherwise float32."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if kind == "cpu" and _processor_computes_in_bfloat16() else torch.float32


def _processor_computes_in_bfloat16() -> bool:
    # The CPU flags do not show that ATEN_CPU_CAPABILITY limits torch to AVX2, where bfloat16 is emulated.
    abilities = torch.cpu.get_capabilities()
    is_native = abilities.get("avx512_bf16", False) or abilities.get("amx_tile", False)
    return bool(is_native) and torch.backends.cpu.get_cpu_capability() == "AVX512"


def training_precision(device: str | torch.device) -> torch.autocast:
    """Return a context in which matrix products run in :func:`training_dtype`; with float32 it changes nothing."""
    dtype = training_dtype(device)
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def float32_products(device: str | torch.device) -> torch.autocast:
    """Return a context, for use inside :func:`training_precision`, in which float32 matrix products stay float32."""
    return torch.autocast(torch.device(device).type, enabled=False)


def generation_dtype(device: str | torch.device) -> torch.dtype:
    """Return float32 on a CPU and the training dtype on an accelerator, whose LoRA kernels do not support float32."""
    return torch.float32 if torch.device(device).type == "cpu" else training_dtype(device)


def dtype_name(dtype: torch.dtype) -> str:
    """Return the name of a number format, such as ``float32``."""
    return str(dtype).removeprefix("torch.")


@contextmanager
def full_width_float32(model: nn.Module) -> Iterator[None]:
    """Compute a model's linear layers by :func:`full_width_linear` while the block runs.

    Hooks on the layers work as usual. Inside :func:`training_precision` the products are float32 as well.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and _is_for_onednn(layer.weight)]
    for layer in layers:
        layer.forward = partial(_by_onednn, layer)  # type: ignore[method-assign]
    try:
        with float32_products(next(model.parameters()).device):
            yield
    finally:
        for layer in layers:
            del layer.forward


def _is_for_onednn(weight: Tensor) -> bool:
    has_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    is_offered = has_onednn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return is_offered and weight.device.type == "cpu" and weight.dtype == torch.float32


def full_width_linear(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return states · weightᵀ + bias, in float32 on a CPU by oneDNN, unless a gradient is needed.

    torch uses MKL for float32, which is limited to AVX2 on AMD CPUs; oneDNN uses AVX-512 there and takes half the
    time. Only the order of summation differs.

    Args:
        states: Shape (n, d_in).
        weight: Shape (d_out, d_in).
        bias: Shape (d_out,); None for none.
    """
    if _is_for_onednn(weight) and not torch.is_grad_enabled():
        product: Tensor = torch.ops.mkldnn._linear_pointwise(states, weight, bias, "none", [], "")
        return product
    return nn.functional.linear(states, weight, bias)


def _by_onednn(layer: nn.Linear, states: Tensor) -> Tensor:
    return full_width_linear(states, layer.weight, layer.bias)
