"""Dropout that draws its mask from 16-bit random integers, which on a CPU is twice as fast as torch's own.

An adapter drops the input of every adapted layer, so drawing masks took a third of a training step.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

LEVELS = 2**16


class IntegerDropout(nn.Module):
    """Zero each value with probability ``share`` (to the nearest 1/65536) and scale the rest to keep the mean."""

    def __init__(self, share: float, rng: np.random.Generator) -> None:
        super().__init__()
        self.threshold = round(share * LEVELS)
        self.rng = rng

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` with dropout while training, unchanged otherwise."""
        if not self.training or self.threshold == 0:
            return values
        drawn = np.frombuffer(self.rng.bytes(2 * values.numel()), dtype=np.uint16)
        keep = torch.from_numpy(drawn >= self.threshold).view(values.shape).to(values.device)
        # scaled by the share that the threshold drops, which differs slightly from ``share``
        return (values * keep).mul_(LEVELS / (LEVELS - self.threshold))
