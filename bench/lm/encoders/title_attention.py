"""Attention over many titles whose tokens follow each other without padding, shape (n_tokens, d).

On a CPU, titles of one length are one group, so nothing is padded. On an accelerator, the dozens of small operations
for each group would take longer to launch than to compute, so the attention of all titles is padded to the longest.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.lm.batching import moved

ALIGNED_TOKENS = 8
"""Padded lengths are multiples of it, as fused attention on accelerators requires of masks."""

Lengths = NDArray[np.int64]


class TitleAttention(Protocol):
    """Attends within each title, and averages over its tokens."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, n_heads: int) -> Tensor:
        """Return the attended values; all of shape (n_tokens, d)."""

    def means(self, states: Tensor) -> Tensor:
        """Return the mean state of each title, shape (n, d)."""


class GroupedAttention:
    """Attention of titles sorted by length, one group after the other."""

    def __init__(self, lengths: Lengths) -> None:
        n_tokens, n_titles = np.unique(lengths, return_counts=True)
        self.groups = list(zip(n_titles.tolist(), n_tokens.tolist(), strict=True))
        self.sizes = [n * length for n, length in self.groups]

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, n_heads: int) -> Tensor:
        """Return the attended values; all of shape (n_tokens, d)."""
        parts = zip(self.groups, *(torch.split(each, self.sizes) for each in (queries, keys, values)), strict=True)
        return torch.cat([_attend(n, length, n_heads, *own) for (n, length), *own in parts])

    def means(self, states: Tensor) -> Tensor:
        """Return the mean state of each title, shape (n, d)."""
        parts = torch.split(states, self.sizes)
        return torch.cat(
            [part.view(n, length, -1).mean(1) for part, (n, length) in zip(parts, self.groups, strict=True)]
        )


class PaddedAttention:
    """Attention of all titles at once, padded to one length; the linear layers still read no padding."""

    def __init__(self, lengths: Lengths, device: torch.device) -> None:
        self.n, self.longest = len(lengths), -(-int(lengths.max(initial=1)) // ALIGNED_TOKENS) * ALIGNED_TOKENS
        starts = np.cumsum(lengths) - lengths
        own_padding = np.arange(self.n) * self.longest - starts
        places = np.repeat(own_padding, lengths) + np.arange(lengths.sum())
        self.places, self.lengths = moved(places, device), moved(lengths, device)

    @cached_property
    def is_token(self) -> Tensor:
        """Whether a place contains a token, shape (n, 1, 1, longest)."""
        return (torch.arange(self.longest, device=self.lengths.device) < self.lengths[:, None])[:, None, None]

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, n_heads: int) -> Tensor:
        """Return the attended values; all of shape (n_tokens, d)."""
        by_head = [self._padded(each, n_heads).transpose(1, 2) for each in (queries, keys, values)]
        context = nn.functional.scaled_dot_product_attention(by_head[0], by_head[1], by_head[2], self.is_token)
        return context.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, self.places)

    def means(self, states: Tensor) -> Tensor:
        """Return the mean state of each title, shape (n, d)."""
        return self._padded(states, 1).sum((1, 2)) / self.lengths[:, None]

    def _padded(self, states: Tensor, n_heads: int) -> Tensor:
        """Return the states with zeros after each title, shape (n, longest, n_heads, d / n_heads)."""
        padded = states.new_zeros((self.n * self.longest, states.shape[1]))
        return padded.index_copy(0, self.places, states).view(self.n, self.longest, n_heads, -1)


def _attend(n: int, length: int, n_heads: int, *projected: Tensor) -> Tensor:
    """Return the attended values of n titles of one length, shape (n · length, d)."""
    queries, keys, values = (each.view(n, length, n_heads, -1).transpose(1, 2).contiguous() for each in projected)
    # on a CPU torch's fused attention has slow gradients in bfloat16
    weights = (queries * queries.shape[-1] ** -0.5 @ keys.transpose(-1, -2)).softmax(-1)
    context: Tensor = weights.to(values.dtype) @ values
    return context.transpose(1, 2).reshape(n * length, -1)
