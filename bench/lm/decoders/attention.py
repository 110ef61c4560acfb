"""Replace the attention of a decoder for a while.

Before each pass without a mask, transformers asks the device whether the positions are those of several packed texts.
The CPU waits for the answer, and meanwhile cannot queue the next pass. Rows that are padded on the right need no mask
at all, and attention of an own name gets none.

On a CPU, the gradients of torch's fused attention are slow in bfloat16, so there attention is computed by products.

If several query heads share a key head, transformers copies keys and values for each of them whenever there is a mask.
In generation this happens for each new token, and with long prompts takes most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

PLAINLY_CAUSAL = "bench_causal"
"""Name under which transformers finds :func:`causal_attention`, and makes no mask for it."""
SHARING_KEYS = "bench_sharing_keys"
"""Name under which transformers finds :func:`key_sharing_attention`, and makes the usual masks for it."""
BLOCK_TOKENS = 128
"""Tokens whose attention is computed together by products: with fewer, products are slow."""


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
    """Let each token attend to itself and all earlier ones of its row, without waiting for the device.

    Results are the usual ones up to rounding.

    Models with ``eager`` attention, or in which some layers attend to the latest tokens only, need their masks and keep
    their attention.
    """
    config = model.config
    is_windowed = getattr(config, "sliding_window", None) is not None
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if config._attn_implementation != "sdpa" or is_windowed or kinds != {"full_attention"}:
        yield
        return
    with attending_by(model, PLAINLY_CAUSAL, causal_attention):
        yield


@contextmanager
def sharing_keys(model: Any) -> Iterator[None]:
    """Let a single new token attend without copies of keys and values; results are the usual ones up to rounding.

    Models whose attention is not torch's own keep theirs.
    """
    if model.config._attn_implementation != "sdpa":
        yield
        return
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionMaskInterface.register(SHARING_KEYS, sdpa_mask)
    with attending_by(model, SHARING_KEYS, key_sharing_attention):
        yield


def key_sharing_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute the attention of one new token, or pass more of them on; arguments as of :func:`causal_attention`.

    ``attention_mask`` contains what a token may attend to, shape (n_rows, 1, 1, n_keys); None stands for everything.
    """
    n_rows, n_heads, n_tokens, width = query.shape
    if n_tokens > 1:
        return _usual_attention(module, query, key, value, attention_mask, scaling=scaling, **others)
    # the query heads that share a key head are its queries
    asked = query.reshape(n_rows, key.shape[1], -1, width)
    context = F.scaled_dot_product_attention(asked, key, value, attn_mask=attention_mask, scale=scaling)
    return context.reshape(n_rows, 1, n_heads, width), None


def causal_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute causal attention of rows without a mask, as a transformers attention function.

    Args:
        module: The calling layer.
        query: Shape (n_rows, n_heads, n_tokens, head_width).
        key: Shape (n_rows, n_key_heads, n_tokens, head_width); each key head serves ``n_heads / n_key_heads`` in a row.
        value: As ``key``.
        attention_mask: None.
        scaling: Factor of the products of queries and keys; None stands for one over the root of ``head_width``.
        others: What else transformers passes.

    Returns:
        The attention output, shape (n_rows, n_tokens, n_heads, head_width), and None for the weights.
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and torch.is_grad_enabled():
        return _by_products(query * (scaling or query.shape[-1] ** -0.5), key, value), None
    return _usual_attention(module, query, key, value, attention_mask, scaling=scaling, **others)


def _usual_attention(*args: Any, **others: Any) -> tuple[Tensor, Tensor | None]:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    attended: tuple[Tensor, Tensor | None] = sdpa_attention_forward(*args, **others)
    return attended


def _by_products(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the attended values, shape (n_rows, n_tokens, n_heads, head_width), of queries that are already scaled.

    Tokens are read in blocks, each with the keys up to its end, because half of all products are with later tokens.
    """
    n_tokens = queries.shape[2]
    starts = range(0, n_tokens, BLOCK_TOKENS)
    blocks = [_block(queries, keys, values, start, min(start + BLOCK_TOKENS, n_tokens)) for start in starts]
    return torch.cat(blocks, dim=2).transpose(1, 2)


def _block(queries: Tensor, keys: Tensor, values: Tensor, start: int, stop: int) -> Tensor:
    """Return the attended values of the tokens from ``start`` to ``stop``, shape (n_rows, n_heads, n, head_width)."""
    asked, keys, values = queries[:, :, start:stop], keys[:, :, :stop], values[:, :, :stop]
    n_rows, n_heads, n, width = asked.shape
    # query heads that share a key head become additional rows of one product
    scores = asked.reshape(n_rows, keys.shape[1], -1, width) @ keys.transpose(-1, -2)
    is_later = torch.ones(n, stop, dtype=torch.bool).triu(1 + start)
    weights = scores.view(n_rows, n_heads, n, stop).masked_fill(is_later, -torch.inf).softmax(-1)
    context: Tensor = weights.to(values.dtype).view(scores.shape) @ values
    return context.view(n_rows, n_heads, n, width)
