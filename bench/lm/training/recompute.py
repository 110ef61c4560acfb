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
            layer.forward = partial(_checkpointed, layer, ordinary, masks)
            stack.callback(_put_back, layer, ordinary)
        yield


def _checkpointed(layer: nn.Module, forward: Callable[..., Any], masks: Masks | None, *args: Any, **kwargs: Any) -> Any:
    runs = partial(_runs, layer, masks)
    # torch's own generator is not used, so its state need not be kept
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, context_fn=runs, **kwargs)


def _runs(layer: nn.Module, masks: Masks | None) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of a layer's first and second run."""
    dropped = nullcontext() if masks is None else masks.again_from(masks.state())
    return nullcontext(), _second_run(dropped, _attention_of(layer))


@contextmanager
def _second_run(dropped: AbstractContextManager[None], attention: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Drop what the first run dropped and attend as it did: by now, the model may have another attention."""
    now = [(config, config._attn_implementation) for config, _ in attention]
    _set_attention(attention)
    try:
        with dropped:
            yield
    finally:
        _set_attention(now)


def _attention_of(layer: nn.Module) -> list[tuple[Any, str]]:
    """Return the configurations that a layer reads, each with the name of its attention."""
    configs: list[Any] = [getattr(module, "config", None) for module in layer.modules()]
    distinct = {id(config): config for config in configs if hasattr(config, "_attn_implementation")}
    return [(config, config._attn_implementation) for config in distinct.values()]


def _set_attention(attention: Sequence[tuple[Any, str]]) -> None:
    for config, name in attention:
        config._attn_implementation = name


def _put_back(layer: nn.Module, forward: Callable[..., Any]) -> None:
    # an attribute of the instance would hide the class's method from then on
    layer.__dict__.pop("forward", None)
    if layer.forward != forward:
        layer.forward = forward
