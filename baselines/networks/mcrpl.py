"""MCRPL's network: item tables, prompts mixed into the history, one transformer block and class heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import dropout, embedding, layer_norm, normalize, relu, scaled_dot_product_attention

from bench.learning.sequences import Rows, Sequences

N_PROMPTS = 2
"""Number of shared prompts, and of prompts per domain."""
MIXING_UNITS = 16
"""Width of the network that weights the prompts."""


@dataclass(frozen=True, eq=False)
class Packed:
    """Sequences sorted by length and concatenated without padding."""

    rows: Rows
    """Index of each sequence, shape (n,)."""
    lengths: Rows
    """Ascending, shape (n,)."""
    at: Rows
    """Index of each position's item in the array that the sequences are stretches of, shape (n_positions,)."""
    items: NDArray[np.int32]
    """Item of each position, shape (n_positions,)."""

    @classmethod
    def of(cls, sequences: Sequences, rows: Rows) -> Packed:
        """Pack some rows of the sequences."""
        rows = rows[np.argsort(sequences.lengths[rows], kind="stable")]
        lengths = sequences.lengths[rows]
        before = np.cumsum(lengths) - lengths
        at = np.repeat(sequences.starts[rows] - before, lengths) + np.arange(lengths.sum())
        return cls(rows, lengths, at, sequences.items[at])


class Network(nn.Module):
    """Item tables, prompts, one transformer block and class heads of all domains."""

    def __init__(
        self, sizes: Sequence[int], d: int, inner_dimensions: int, max_length: int, dropout_share: float
    ) -> None:
        super().__init__()
        self.dropout = dropout_share
        self.items = nn.ParameterList([torch.empty(n_items, d) for n_items in sizes])
        self.classes = nn.ParameterList([torch.empty(n_items, d) for n_items in sizes])
        self.positions = nn.Parameter(torch.empty(max_length, d))
        self.shared = nn.Parameter(torch.empty(N_PROMPTS, d))
        self.specific = nn.ParameterList([torch.empty(N_PROMPTS, d) for _ in sizes])
        self.mix_context = nn.Linear(d, MIXING_UNITS, bias=False)
        self.mix_item = nn.Linear(d, MIXING_UNITS)
        self.mix_weight = nn.Linear(MIXING_UNITS, 1, bias=False)
        self.query, self.key, self.value, self.output = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.inner = nn.Linear(d, inner_dimensions, bias=False)
        self.outer = nn.Linear(inner_dimensions, d, bias=False)
        for weights in self.parameters():
            if weights.dim() > 1:
                nn.init.xavier_uniform_(weights)

    def encode(self, domain: int, items: Tensor, lengths: Rows) -> Tensor:
        """Return the vector of every position, computed from its sequence up to that position.

        Args:
            domain: Index of the domain whose tables and prompts are used.
            items: Item of each position of the concatenated sequences, shape (n_positions,).
            lengths: Lengths of the sequences, ascending, shape (n,).
        """
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        positions = torch.from_numpy(np.arange(len(items)) - starts).to(items.device)
        steps = embedding(items, self.items[domain]) + embedding(positions, self.positions)
        mixed = self.mixed(dropout(steps, self.dropout, self.training), domain)
        attended = self._attended(mixed, lengths)
        vectors = layer_norm(mixed + self.output(attended), mixed.shape[1:])
        return layer_norm(vectors + self.outer(relu(self.inner(vectors))), mixed.shape[1:])

    def mixed(self, steps: Tensor, domain: int) -> Tensor:
        """Return each position's weighted sum of the prompts and its own vector, (n_positions, d)."""
        prompts = torch.cat([self.shared, self.specific[domain]])
        of_prompts = self.mix_context(prompts).expand(len(steps), -1, -1)
        of_contexts = torch.cat([of_prompts, self.mix_context(steps)[:, None]], dim=1)
        weights = self.mix_weight(relu(of_contexts + self.mix_item(steps)[:, None])).softmax(dim=1)
        mixed: Tensor = weights[:, :-1, 0] @ prompts + weights[:, -1] * steps
        return mixed

    def _attended(self, mixed: Tensor, lengths: Rows) -> Tensor:
        """Attend causally within each sequence; sequences of the same length are adjacent and need no padding."""
        distinct, counts = np.unique(lengths, return_counts=True)
        sizes = (distinct * counts).tolist()
        queries, keys, values = (torch.split(each(mixed), sizes) for each in (self.query, self.key, self.value))
        attended = []
        for length, *parts in zip(distinct.tolist(), queries, keys, values, strict=True):
            query, key, value = (part.view(1, -1, length, part.shape[1]) for part in parts)
            attended.append(scaled_dot_product_attention(query, key, value, is_causal=True).flatten(0, 2))
        return torch.cat(attended)


def orthogonality_penalty(specific: Tensor, shared: Tensor, form: str) -> Tensor:
    """Return the mean square of a product of unit prompts, each (n, d).

    ``clean`` multiplies (n, d) by (d, n): the cosines, 0 for orthogonal prompts. ``coded`` multiplies (d, n) by (n, d)
    as the authors' code does, which gives the same value for equal and for orthogonal prompts.
    """
    specific, shared = normalize(specific, dim=1), normalize(shared, dim=1)
    product = specific.T @ shared if form == "coded" else specific @ shared.T
    return product.square().mean()
