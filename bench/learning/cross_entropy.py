"""Compute the cross-entropy of a linear map's logits without storing all logits at once.

The logits of a batch over a catalogue are by far the largest array in the training of a sequential recommender. Here
a slice of rows is mapped, turned into its own gradient in place, and reduced while it is still in the cache.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LOGITS_AT_ONCE = 2**21
"""Number of logits kept at a time: two buffers of 8 MB, about the optimum for a CPU core's caches and memory bus."""


class _LinearCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy whose gradients are computed in the forward pass."""

    @staticmethod
    def forward(context: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """Return the loss and keep both gradients; shapes (n, d), (n_classes, d), (n,)."""
        rows = max(1, LOGITS_AT_ONCE // len(weight))
        logits, probabilities = hidden.new_empty((2, min(rows, len(hidden)), len(weight)))
        smallest = torch.finfo(hidden.dtype).tiny
        hidden_gradient, weight_gradient = torch.empty_like(hidden), torch.zeros_like(weight)
        loss = hidden.new_zeros(())
        for start in range(0, len(hidden), rows):
            part, target = hidden[start : start + rows], targets[start : start + rows, None]
            gradient = probabilities[: len(part)]
            torch.mm(part, weight.T, out=logits[: len(part)])
            torch.softmax(logits[: len(part)], dim=1, out=gradient)
            loss -= gradient.gather(1, target).clamp_min(smallest).log().sum()
            # softmax minus one-hot: the gradient of the logits, written over the probabilities
            gradient.scatter_add_(1, target, gradient.new_full((len(part), 1), -1.0))
            torch.mm(gradient, weight, out=hidden_gradient[start : start + rows])
            weight_gradient.addmm_(gradient.T, part)
        context.save_for_backward(hidden_gradient.div_(len(hidden)), weight_gradient.div_(len(hidden)))
        return loss / len(hidden)

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        """Scale the gradients by the upstream gradient."""
        hidden_gradient, weight_gradient = context.saved_tensors
        return upstream * hidden_gradient, upstream * weight_gradient, None


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return ``cross_entropy(hidden @ weight.T, targets)``, exact and differentiable in the first two.

    A row's loss is clipped if its probability leaves the floating-point range (at 87 in single precision); its
    gradient is not.

    Args:
        hidden: Shape (n, d).
        weight: Shape (n_classes, d).
        targets: Class of each row, shape (n,).
    """
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets)  # type: ignore[no-untyped-call]
    return loss
