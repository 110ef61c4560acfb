"""An adapted linear layer as one product with W + scaling · B·A, whose gradients never form that of W.

PEFT's own forward reads the input twice and adds two outputs. One product reads it once, but torch would then compute
the gradient of the whole matrix, a third of a step's work, to reduce it to those of A and B, which are a few columns.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def by_one_product(layer: Any, adapter_name: str, states: Tensor) -> Tensor:
    """Return (W + scaling · B·A)·x + bias of a PEFT layer without dropout, under autocast in its number format."""
    base, device = layer.base_layer, states.device.type
    a, b = layer.lora_A[adapter_name].weight, layer.lora_B[adapter_name].weight
    if torch.is_autocast_enabled(device):
        states = states.to(torch.get_autocast_dtype(device))
    with torch.autocast(device, enabled=False):
        rows = states.reshape(-1, states.shape[-1])
        output: Tensor = _OneProduct.apply(rows, base.weight, base.bias, a, b, layer.scaling[adapter_name])  # type: ignore[no-untyped-call]
    return output.view(*states.shape[:-1], -1)


class _OneProduct(torch.autograd.Function):
    """(W + scaling · B·A)·x + bias of rows x, shape (n, d_in); gradients for x, A and B."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        merged = torch.addmm(weight, b, a, alpha=scaling).to(rows.dtype)
        ctx.save_for_backward(rows, merged, a, b)
        ctx.scaling = scaling
        return nn.functional.linear(rows, merged, None if bias is None else bias.to(rows.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        rows, merged, a, b = ctx.saved_tensors
        into_rows = gradient @ merged if ctx.needs_input_grad[0] else None
        # x·Aᵀ and g·B have r columns; the gradient of W, d_out × d_in, is never formed
        narrow_in, narrow_out = rows @ a.to(rows.dtype).T, gradient @ b.to(rows.dtype)
        into_a, into_b = narrow_out.T @ rows, (narrow_in.T @ gradient).T
        return into_rows, None, None, into_a.to(a.dtype) * ctx.scaling, into_b.to(b.dtype) * ctx.scaling, None
