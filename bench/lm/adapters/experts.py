"""Let several frozen adapters work in one model at the same time: one per stream, or mixed by weights per token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from bench.lm.adapters.adapter import Adapter, check_mergeable


class Experts(ABC):
    """Frozen adapters of one shape on one backbone; ``update`` computes what they add to a linear layer."""

    by_token_alone = True
    """Whether the update of a state depends only on that state, not on the prompt that contains it."""
    stream: int | None = None
    """The stream whose states are currently processed; None if all are, stacked."""

    def __init__(self, adapters: Sequence[Adapter], device: torch.device | str = "cpu") -> None:
        check_mergeable(adapters, same_initialisation=True)
        self.n_adapters, self.scaling = len(adapters), adapters[0].scaling
        self.modules = sorted(adapters[0].factors)
        self.a, self.b = (
            {
                name: torch.stack([adapter.factors[name][side].detach() for adapter in adapters]).to(device)
                for name in self.modules
            }
            for side in (0, 1)
        )

    @abstractmethod
    def update(self, module: str, states: Tensor, output: Tensor) -> Tensor:
        """Return a linear layer's output with the adapters' part added, given the layer's input states."""

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        """Let the adapters work in the model while the block runs; the model itself is not changed."""
        with ExitStack() as stack:
            for name in self.modules:
                handle = model.get_submodule(name).register_forward_hook(
                    lambda _layer, inputs, output, name=name: self.update(name, inputs[0], output)
                )
                stack.callback(handle.remove)
            yield


class ParallelExperts(Experts):
    """Adapter m works in stream m; the states are stacked, with the rows of the first stream first."""

    def update(self, module: str, states: Tensor, output: Tensor) -> Tensor:
        """Add scaling · B·A·x of each stream, for all streams in two batched products."""
        a, b = self.a[module], self.b[module]
        if self.stream is not None:
            a, b = a[[self.stream]], b[[self.stream]]
        rows = states.reshape(len(a), -1, states.shape[-1])
        low = torch.bmm(rows, a.transpose(1, 2).to(rows.dtype))
        added = torch.baddbmm(
            output.reshape(len(a), -1, output.shape[-1]), low, b.transpose(1, 2).to(rows.dtype), alpha=self.scaling
        )
        return added.view_as(output)


class MixedExperts(Experts):
    """All adapters work in one stream, each scaled by a weight per token."""

    @abstractmethod
    def weights(self, module: str, states: Tensor) -> Tensor:
        """Return the adapters' weights for these states, shape (..., n_adapters)."""

    def update(self, module: str, states: Tensor, output: Tensor) -> Tensor:
        """Add Σ weight · scaling · B·A·x."""
        a, b = self.a[module], self.b[module]
        low = nn.functional.linear(states, a.flatten(0, 1))
        low = low.view(*low.shape[:-1], *a.shape[:2])
        weighted = low * (self.scaling * self.weights(module, states))[..., None].to(low.dtype)
        return output + nn.functional.linear(weighted.flatten(-2), b.transpose(0, 1).flatten(1))
