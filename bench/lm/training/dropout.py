"""Dropout whose masks are drawn where the values are: by numpy on a CPU, by the device itself on an accelerator.

An adapter drops the input of every adapted layer, so drawing masks took a third of a training step. On a CPU, 16-bit
integers from numpy take half the time of torch's own draws. For an accelerator, drawing on one CPU core and copying the
masks would take longer than the step itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

LEVELS = 2**16
DRAWN_BY_NUMPY = ("cpu",)
"""Kinds of device whose masks numpy draws."""


class Masks:
    """A seeded stream of masks, shared by all dropout modules of a model; the same seed gives the same masks."""

    def __init__(self, seed: int) -> None:
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Begin the stream of another seed."""
        self.seed = seed
        self.rng = np.random.Generator(np.random.SFC64(seed))
        self.generator: torch.Generator | None = None

    def kept(self, values: Tensor, threshold: int) -> Tensor:
        """Draw which of the values are kept, a boolean tensor; each is dropped in ``threshold`` of 65,536 cases."""
        if values.device.type in DRAWN_BY_NUMPY:
            drawn = np.frombuffer(self.rng.bytes(2 * values.numel()), dtype=np.uint16)
            return torch.from_numpy(drawn >= threshold).view(values.shape).to(values.device)
        if self.generator is None:
            self.generator = torch.Generator(values.device).manual_seed(self.seed)
        kept = torch.empty(values.shape, dtype=torch.bool, device=values.device)
        return kept.bernoulli_(1 - threshold / LEVELS, generator=self.generator)

    @contextmanager
    def again_from(self, state: Callable[[], None]) -> Iterator[None]:
        """Draw the masks of an earlier :meth:`state` once more inside the block, and continue the stream afterwards."""
        now = self.state()
        state()
        try:
            yield
        finally:
            now()

    def state(self) -> Callable[[], None]:
        """Return a function that takes the stream back to where it is now."""
        by_numpy = self.rng.bit_generator.state
        by_device = None if self.generator is None else self.generator.get_state()

        def restore() -> None:
            self.rng.bit_generator.state = by_numpy
            if self.generator is not None:
                # a generator that did not exist yet begins at its seed
                self.generator.manual_seed(self.seed)
                if by_device is not None:
                    self.generator.set_state(by_device)

        return restore


class IntegerDropout(nn.Module):
    """Zero each value with probability ``share`` (to the nearest 1/65536) and scale the rest to keep the mean."""

    def __init__(self, share: float, masks: Masks) -> None:
        super().__init__()
        self.threshold = round(share * LEVELS)
        self.masks = masks

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` with dropout while training, unchanged otherwise."""
        if not self.training or self.threshold == 0:
            return values
        # scaled by the share that the threshold drops, which differs slightly from ``share``
        return (values * self.masks.kept(values, self.threshold)).mul_(LEVELS / (LEVELS - self.threshold))
