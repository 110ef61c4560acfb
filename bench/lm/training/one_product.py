"""Compute an adapted linear layer as one product with W + scaling · B·A, without forming the gradient of W.

PEFT's own forward reads the input twice and adds two outputs. A single product reads it once, but torch would then
compute the gradient of the whole matrix, a third of a step's work, only to reduce it to the gradients of A and B,
which have few columns.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def by_one_product(layer: Any, adapter_name: str, states: Tensor) -> Tensor:
    """Return (W + scaling · B·A)·x + bias of a PEFT layer without dropout, in autocast's dtype if that is enabled."""
    base, device = layer.base_layer, states.device.type
    a, b = layer.lora_A[adapter_name].weight, layer.lora_B[adapter_name].weight
    if torch.is_autocast_enabled(device):
        states = states.to(torch.get_autocast_dtype(device))
    with torch.autocast(device, enabled=False):
        rows = states.reshape(-1, states.shape[-1])
        output: Tensor = _OneProduct.apply(rows, base.weight, base.bias, a, b, layer.scaling[adapter_name])  # type: ignore[no-untyped-call]
    return output.view(*states.shape[:-1], -1)


class _OneProduct(torch.autograd.Function):
    """Compute (W + scaling · B·A)·x + bias for rows x, shape (n, d_in), with gradients for x, A and B."""

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
        # x·Aᵀ and g·B have r columns; the d_out × d_in gradient of W is never formed
        narrow_in, narrow_out = rows @ a.to(rows.dtype).T, gradient @ b.to(rows.dtype)
        into_a, into_b = narrow_out.T @ rows, (narrow_in.T @ gradient).T
        return into_rows, None, None, into_a.to(a.dtype) * ctx.scaling, into_b.to(b.dtype) * ctx.scaling, None
