"""A running average of weights, which varies less from step to step than the weights themselves.

At a constant learning rate, weights move around a good state rather than into it; their average is closer to it
(Polyak and Juditsky 1992; Izmailov et al. 2018, arXiv 1803.05407).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The mean of the weights after the first steps, and their exponential moving average after that."""

    def __init__(self, parameters: Sequence[nn.Parameter], n_steps: int) -> None:
        """Start from the current weights.

        Args:
            parameters: The weights that are averaged.
            n_steps: Mean age in steps of what is averaged, once more steps than that have been taken.
        """
        self.parameters, self.n_steps = parameters, n_steps
        self.weights = [weights.detach().clone() for weights in parameters]

    @torch.no_grad()
    def add(self, n_taken: int) -> None:
        """Add the current weights, of the ``n_taken``-th step (from 1)."""
        share = 1 / min(n_taken, self.n_steps)
        for average, weights in zip(self.weights, self.parameters, strict=True):
            average.lerp_(weights, share)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Give the parameters their averages inside the block."""
        current = [weights.data for weights in self.parameters]
        self._put(self.weights)
        try:
            yield
        finally:
            self._put(current)

    def _put(self, tensors: Sequence[Tensor]) -> None:
        for weights, tensor in zip(self.parameters, tensors, strict=True):
            weights.data = tensor
