"""Apply an adapter to a model, by forward hooks that let gradients reach its factors or by folding it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import Adapter


@contextmanager
def hooked(model: nn.Module, adapter: Adapter) -> Iterator[None]:
    """Add scaling · B·A·x to each adapted layer's output while the block runs."""
    with ExitStack() as stack:
        for name, (a, b) in adapter.factors.items():
            weight = model.get_parameter(f"{name}.weight")
            added = _low_rank_hook(_beside(a, weight), _beside(b, weight), adapter.scaling)
            handle = model.get_submodule(name).register_forward_hook(added)
            stack.callback(handle.remove)
        yield


@contextmanager
def folded(model: nn.Module, adapter: Adapter | None) -> Iterator[None]:
    """Replace each adapted weight by W + scaling · B·A while the block runs, then restore W bit for bit.

    The product is computed in float32 on the device of the weights and rounded to their format; the originals stay on
    the device meanwhile. With ``None`` the model stays as it is.
    """
    originals: list[tuple[nn.Parameter, Tensor]] = []
    try:
        for module, (a, b) in adapter.factors.items() if adapter is not None else ():
            weight = model.get_parameter(f"{module}.weight")
            originals.append((weight, weight.data))
            delta = (b.detach().to(weight.device) @ a.detach().to(weight.device)).to(weight.dtype)
            # a new tensor, because subtracting the update in place would not restore W bit for bit
            weight.data = weight.data.add(delta, alpha=adapter.scaling if adapter is not None else 1.0)
        yield
    finally:
        for weight, original in originals:
            weight.data = original


def _beside(factor: Tensor, weight: Tensor) -> Tensor:
    """Return a factor on the device of a layer's weight; without a gradient, in the format of the weight as well."""
    # moved once here, not in every forward pass
    return factor.to(weight.device, None if factor.requires_grad else weight.dtype)


def _low_rank_hook(a: Tensor, b: Tensor, scaling: float) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        hidden = inputs[0]
        low = nn.functional.linear(hidden, a.to(hidden))
        return torch.add(output, nn.functional.linear(low, b.to(hidden)), alpha=scaling)

    return add
