"""Recompute the layers of a decoder in the backward pass, so that only each layer's input is kept in between.

transformers recomputes layers only while they are in training mode. Here the frozen base stays in evaluation mode, so
its own gradient checkpointing would do nothing without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from torch import nn

    from bench.lm.training.dropout import Masks


@contextmanager
def recomputed(layers: Sequence[nn.Module], masks: Masks | None = None) -> Iterator[None]:
    """Let each of the layers run once more in the backward pass of what is computed while the block runs.

    Gradients are those of an ordinary backward pass. The block may end before the backward pass.

    Args:
        layers: Layers whose first argument are the hidden states.
        masks: The stream of the dropout in the layers, so that the second run drops the same values.
    """
    with ExitStack() as stack:
        for layer in layers:
            ordinary = layer.forward
            layer.forward = partial(_checkpointed, ordinary, masks)
            stack.callback(_put_back, layer, ordinary)
        yield


def _checkpointed(forward: Callable[..., Any], masks: Masks | None, *args: Any, **kwargs: Any) -> Any:
    # torch's own generator is not used, so its state need not be kept
    return checkpoint(
        forward, *args, use_reentrant=False, preserve_rng_state=False, context_fn=partial(_runs, masks), **kwargs
    )


def _runs(masks: Masks | None) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of a layer's first and second run."""
    if masks is None:
        return nullcontext(), nullcontext()
    return nullcontext(), masks.again_from(masks.state())


def _put_back(layer: nn.Module, forward: Callable[..., Any]) -> None:
    # an attribute of the instance would hide the class's method from then on
    layer.__dict__.pop("forward", None)
    if layer.forward != forward:
        layer.forward = forward
