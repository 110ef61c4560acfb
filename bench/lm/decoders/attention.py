"""Replace the attention of a decoder for a while.

Before each pass without a mask, transformers asks the device whether the positions are those of several packed texts.
The CPU waits for the answer, and meanwhile cannot queue the next pass. Rows that are padded on the right need no mask
at all, and attention of an own name gets none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PLAINLY_CAUSAL = "bench_causal"
"""Name under which transformers finds its ordinary attention, but makes no mask for it."""


@contextmanager
def attending_by(model: Any, name: str, attention: Callable[..., Any]) -> Iterator[None]:
    """Let a model's layers call an attention function, registered by name, while the block runs; it gets no mask."""
    from transformers import AttentionInterface

    AttentionInterface.register(name, attention)
    usual = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(usual)


@contextmanager
def plainly_causal(model: Any) -> Iterator[None]:
    """Let each token attend to all earlier ones of its row, with the usual results, but without waiting for the device.

    Models with ``eager`` attention, or in which some layers attend to the latest tokens only, need their masks and keep
    their attention.
    """
    config = model.config
    is_windowed = getattr(config, "sliding_window", None) is not None
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if config._attn_implementation != "sdpa" or is_windowed or kinds != {"full_attention"}:
        yield
        return
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    with attending_by(model, PLAINLY_CAUSAL, sdpa_attention_forward):
        yield
