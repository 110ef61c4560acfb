"""Read the tokens of a prompt once, together with all its continuations, in the same forward pass.

All prompts of a batch are in one row of tokens, each followed by its branches, without padding. The beginning that they
have in common, such as the system line, is read once, at the start of the row. Which tokens attend to which is stored
by block: a block of a prompt attends to what precedes it, a block of branches attends to the whole prompt, and each
branch attends to itself. Attention computes only those pairs, in pieces that fit in a CPU's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bench.errors import BenchError
from bench.lm.batching import moved
from bench.lm.decoders.attention import attending_by

ATTENTION = "bench_branching"
"""Name under which transformers models find :func:`branching_attention`."""
BLOCK_TOKENS = 128
ACCELERATOR_BLOCK_TOKENS = 2048
PROMPT = -1
"""Number of the "branch" that a prompt's own tokens belong to."""
FUSED_WIDTH = 512
"""Width of all query heads from which attention is one fused operation per block, three times as fast in bfloat16."""


@dataclass(frozen=True, eq=False)
class Block:
    """Tokens that attend together."""

    rows: slice
    """Positions of the tokens in the row."""
    shared: tuple[slice, ...]
    """Positions before them to which all of them attend, in the order of the text."""
    own: Tensor
    """0 where a row attends to a row, the dtype's minimum elsewhere, shape (n_rows, n_rows)."""

    @cached_property
    def mask(self) -> Tensor:
        """:attr:`own` behind zeros for the shared positions, shape (n_rows, n_shared + n_rows)."""
        return F.pad(self.own, (_n_tokens(self.shared), 0))


@dataclass(eq=False)
class Branching:
    """A batch of prompts with their branches as one row of tokens."""

    token_ids: Tensor
    """Shape (1, n_tokens)."""
    position_ids: Tensor
    """Position of each token in the text that a prompt and a branch form, shape (1, n_tokens)."""
    prompt_ends: NDArray[np.int64]
    """Row position of each prompt's last token, shape (n_prompts,)."""
    branch_rows: NDArray[np.int64]
    """Row positions of the branches' tokens, by prompt and then by branch, shape (n_branch_tokens,)."""
    blocks: list[Block]
    n_attended: int = field(default=0, init=False)
    """Number of layers that computed attention for this batch."""

    @classmethod
    def of(
        cls,
        prompts: Sequence[Sequence[int]],
        branches: Sequence[Sequence[Sequence[int]]],
        dtype: torch.dtype,
        device: torch.device,
    ) -> Branching:
        """Arrange prompts of at least one token and the token ids of each prompt's branches; a branch may be empty."""
        row = _Row(BLOCK_TOKENS if device.type == "cpu" else ACCELERATOR_BLOCK_TOKENS)
        n_common = common_beginning(prompts)
        beginning: tuple[slice, ...] = (row.read(prompts[0][:n_common]),) if n_common else ()
        prompt_ends, branch_rows = [], []
        for prompt, own_branches in zip(prompts, branches, strict=True):
            own = row.read(prompt[n_common:], beginning)
            row.read_branches(own_branches, (*beginning, own))
            prompt_ends.append((own if own.stop > own.start else beginning[0]).stop - 1)
            branch_rows.append(np.arange(own.stop, len(row.tokens)))
        # everything in one copy, because an accelerator waits for each
        token_ids, position_ids, of_branch = moved(torch.tensor([row.tokens, row.positions, row.numbers]), device)
        return cls(
            token_ids=token_ids[None],
            position_ids=position_ids[None],
            prompt_ends=np.array(prompt_ends, dtype=np.int64),
            branch_rows=np.concatenate(branch_rows),
            blocks=[Block(rows, shared, _own_mask(of_branch[rows], dtype)) for rows, shared in row.places],
        )


@dataclass(frozen=True, eq=False)
class _Row:
    """The row of tokens as it is filled, and the positions of its blocks."""

    block_tokens: int
    """Maximum number of tokens in a block, unless it is one branch."""
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    """Position of each token in its text."""
    numbers: list[int] = field(default_factory=list)
    """Number of the branch that each token belongs to within its block; :data:`PROMPT` for a prompt's."""
    places: list[tuple[slice, tuple[slice, ...]]] = field(default_factory=list)
    """The rows of each block, and the rows before them to which all of them attend."""

    def read(self, part: Sequence[int], behind: tuple[slice, ...] = ()) -> slice:
        """Append the tokens of a prompt or of its beginning; they attend to ``behind`` and to each other."""
        start, end = len(self.tokens), len(self.tokens) + len(part)
        position = _n_tokens(behind)
        self.tokens.extend(part)
        self.positions.extend(range(position, position + len(part)))
        self.numbers.extend([PROMPT] * len(part))
        for first in range(start, end, self.block_tokens):
            self.places.append((slice(first, min(first + self.block_tokens, end)), (*behind, slice(start, first))))
        return slice(start, end)

    def read_branches(self, branches: Sequence[Sequence[int]], behind: tuple[slice, ...]) -> None:
        """Append branches, each of which attends to ``behind`` and to itself."""
        position = _n_tokens(behind)
        for together in _joined(branches, self.block_tokens):
            first = len(self.tokens)
            for number, branch in enumerate(together):
                self.tokens.extend(branch)
                self.positions.extend(range(position, position + len(branch)))
                self.numbers.extend([number] * len(branch))
            self.places.append((slice(first, len(self.tokens)), behind))


def _n_tokens(parts: Sequence[slice]) -> int:
    return sum(part.stop - part.start for part in parts)


def last_hidden_states(model: Any, branching: Branching) -> Tensor:
    """Return the decoder's last hidden state of every token, shape (n_tokens, width).

    Raises:
        BenchError: the model's layers do not use transformers' attention interface.
    """
    with attending_by(model, ATTENTION, branching_attention):
        hidden: Tensor = model.get_decoder()(
            input_ids=branching.token_ids,
            position_ids=branching.position_ids,
            use_cache=False,
            branching=branching,
        ).last_hidden_state
    # layers that ignore the interface would have mixed the prompts of the row without an error
    if branching.n_attended != model.config.num_hidden_layers:
        raise BenchError(
            f"{type(model).__name__} does not use the attention interface of transformers, so candidates cannot be "
            "scored together: use a Qwen2, Llama or Mistral backbone."
        )
    return hidden[0]


def branching_attention(
    module: Any,  # noqa: ARG001  # transformers passes it
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  # transformers passes it
    scaling: float,
    branching: Branching,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute attention as :class:`Branching` defines it, as a transformers attention function.

    Args:
        module: The calling layer, unused.
        query: Shape (1, n_heads, n_tokens, head_width).
        key: Shape (1, n_key_heads, n_tokens, head_width); each key head serves ``n_heads / n_key_heads`` in a row.
        value: As ``key``.
        attention_mask: None, because the blocks define the mask.
        scaling: Factor of the products of queries and keys.
        branching: The batch.

    Returns:
        The attention output of each token, shape (1, n_tokens, n_heads, head_width), and None for the weights.
    """
    branching.n_attended += 1
    queries, keys, values = query[0] * scaling, key[0], value[0]
    n_heads, n_tokens, width = queries.shape
    n_key_heads = len(keys)
    gathered = queries.new_empty(n_tokens, n_heads, width)
    for block in branching.blocks:
        n_rows = block.rows.stop - block.rows.start
        if n_heads * width >= FUSED_WIDTH:
            gathered[block.rows] = _fused(queries[:, block.rows], _both(keys, block), _both(values, block), block.mask)
            continue
        # query heads that share a key head become additional rows of one product
        asked = queries[:, block.rows].reshape(n_key_heads, -1, width)
        scores = asked @ _both(keys, block).transpose(1, 2)
        # every row attends to the shared positions, so only the block's own columns need a mask
        scores.view(n_heads, n_rows, -1)[:, :, -n_rows:] += block.own
        answer = scores.softmax(-1) @ _both(values, block)
        gathered[block.rows] = answer.view(n_heads, n_rows, width).transpose(0, 1)
    return gathered[None], None


def _fused(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return the attended values, shape (n_rows, n_heads, width), by torch's fused attention."""
    n_shared = len(queries) // len(keys)
    if queries.device.type != "cpu" and n_shared > 1:  # with a mask, no fused kernel of CUDA shares key heads
        keys, values, n_shared = keys.repeat_interleave(n_shared, 0), values.repeat_interleave(n_shared, 0), 1
    fused = F.scaled_dot_product_attention(
        queries[None], keys[None], values[None], attn_mask=mask, scale=1.0, enable_gqa=n_shared > 1
    )
    return fused[0].transpose(0, 1)


def _both(states: Tensor, block: Block) -> Tensor:
    """Return the states that a block attends to, shared ones first; a view if they are adjacent."""
    parts = [part for part in (*block.shared, block.rows) if part.stop > part.start]
    if all(one.stop == following.start for one, following in pairwise(parts)):
        return states[:, parts[0].start : parts[-1].stop]
    return torch.cat([states[:, part] for part in parts], dim=1)


def common_beginning(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens several prompts have in common; 0 for a single prompt, which shares nothing."""
    if len(prompts) < 2:
        return 0
    first, last = (
        min(map(tuple, prompts)),
        max(map(tuple, prompts)),
    )  # in lexicographic order, all others have what these two have in common
    return next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _joined(branches: Sequence[Sequence[int]], n_tokens: int) -> Iterator[list[Sequence[int]]]:
    """Yield consecutive groups of branches of at most ``n_tokens`` tokens, or of one branch."""
    run: list[Sequence[int]] = []
    size = 0
    for branch in branches:
        if run and size + len(branch) > n_tokens:
            yield run
            run, size = [], 0
        run.append(branch)
        size += len(branch)
    if size:
        yield run


def _own_mask(numbers: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 where a token of a block attends to an earlier one of the same branch, else the dtype's minimum."""
    unseen = (numbers[:, None] != numbers[None, :]).logical_or_(
        torch.ones(len(numbers), len(numbers), dtype=torch.bool, device=numbers.device).triu_(1)
    )
    return torch.zeros(unseen.shape, dtype=dtype, device=numbers.device).masked_fill_(unseen, torch.finfo(dtype).min)
