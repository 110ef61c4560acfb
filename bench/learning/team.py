"""Several processes that train one model together: each computes the gradients of some parts of every batch.

All processes hold the same model and draw the same batches. They add up their gradients before each step, so all take
the same steps, and those of one process alone up to rounding. Whatever depends on the time, a signal or a file is
decided by the first process, or together.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor, nn

Item = TypeVar("Item")
LONGEST_WAIT = timedelta(days=7)
"""How long processes wait for the first one, which may itself wait for another training of the same adapter."""


@dataclass(frozen=True)
class Team:
    """The processes of a training; alone, there is nothing to agree on, and nothing is sent."""

    number: int = 0
    """Number of this process, from 0."""
    size: int = 1
    """Number of processes."""

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reads and writes for all."""
        return self.number == 0

    def own(self, parts: Sequence[Item]) -> Sequence[Item]:
        """Return those of the parts that this process computes; they may be none."""
        return parts[self.number :: self.size]

    def add_up(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Replace the parameters' gradients by their sums over all processes, and return the sum of the losses.

        Args:
            parameters: The same in all processes; one without a gradient counts as zero.
            loss: A scalar.
        """
        if self.size == 1:
            return loss
        import torch
        from torch import distributed

        sizes = [parameter.numel() for parameter in parameters]
        device, dtype = parameters[0].device, torch.promote_types(parameters[0].dtype, torch.float32)
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        summed = torch.cat([one.flatten().to(device, dtype) for one in (*gradients, loss)])
        distributed.all_reduce(summed)
        *parts, total = torch.split(summed, [*sizes, 1])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype)
        return total.view(())

    def highest(self, number: int) -> int:
        """Return the highest number of all processes."""
        if self.size == 1:
            return number
        import torch
        from torch import distributed

        numbers = torch.tensor(number)  # on the CPU, so that no device has to be waited for
        distributed.all_reduce(numbers, distributed.ReduceOp.MAX)
        return int(numbers)

    def of_first(self, value: Item) -> Item:
        """Return the value of the first process."""
        return value if self.size == 1 else self._of(0, value)

    def gathered(self, value: Item) -> list[Item]:
        """Return the values of all processes in their order."""
        return [value] if self.size == 1 else [self._of(number, value) for number in range(self.size)]

    def _of(self, number: int, value: Item) -> Item:
        """Return the value of one of the processes."""
        import torch
        from torch import distributed

        values: list[Item] = [value]
        distributed.broadcast_object_list(values, src=number, device=torch.device("cpu"))
        return values[0]


ALONE = Team()


def n_launched() -> int:
    """Return how many processes ``accelerate launch`` or ``torchrun`` started; 1 without them."""
    stated = os.environ.get("WORLD_SIZE", "")
    return int(stated) if stated.isdecimal() else 1


def current_team() -> Team:
    """Return the processes that are connected, or this process alone; torch is not imported for one alone."""
    if n_launched() == 1:
        return ALONE
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return ALONE
    return Team(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def connected(device: str) -> Iterator[Team]:
    """Connect the processes that were launched together while the block runs.

    Args:
        device: Kind of device on which they train; each process gets its own one.
    """
    if n_launched() == 1:
        yield ALONE
        return
    from accelerate import PartialState
    from torch import distributed

    backend = None if device == "cpu" else "cpu:gloo,cuda:nccl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # accelerate states how many threads it chose
        PartialState(cpu=device == "cpu", backend=backend, timeout=LONGEST_WAIT)
    try:
        yield current_team()
    finally:
        distributed.destroy_process_group()
