"""Arrange token rows of unequal length in batches: padded, bucketed by length, or packed behind a shared prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.lm.memory import TOKENS_PER_ANSWER_TOKEN

NO_ANSWER = -1
TOKENS_A_BATCH = 2048
"""Padded tokens encoded at once: large enough to keep the matrix products busy, small enough for the cache."""


@dataclass(frozen=True, eq=False)
class PackedAnswers:
    """The answers of each query joined into one row; all tensors have shape (n, longest row)."""

    inputs: Tensor
    """Every answer without its last token."""
    targets: Tensor
    """The token that follows each input."""
    offsets: Tensor
    """Position of each input in its answer."""
    answer_index: Tensor
    """Index of the answer that an input belongs to; :data:`NO_ANSWER` for padding."""

    @classmethod
    def of(cls, answers: Sequence[Sequence[Sequence[int]]], device: torch.device) -> PackedAnswers:
        """Join the answers' token ids.

        ``answers[q][a]`` has at least one token; its first token is predicted from the prefix.
        """
        inputs = [[token for answer in row for token in answer[:-1]] for row in answers]
        targets = [[token for answer in row for token in answer[1:]] for row in answers]
        offsets = [[offset for answer in row for offset in range(len(answer) - 1)] for row in answers]
        index = [[number for number, answer in enumerate(row) for _ in answer[1:]] for row in answers]
        return cls(
            inputs=padded(inputs, 0, device),
            targets=padded(targets, 0, device),
            offsets=padded(offsets, 0, device),
            answer_index=padded(index, NO_ANSWER, device),
        )

    def additive_mask(self, prefix_lengths: Tensor, like: Tensor) -> Tensor:
        """Return 0 where a token may attend and the dtype's minimum elsewhere, shape (n, 1, row, prefix + row)."""
        prefix = torch.arange(like.shape[1], device=like.device) < prefix_lengths[:, None]
        own = self.answer_index[:, :, None] == self.answer_index[:, None, :]
        earlier = self.offsets[:, :, None] >= self.offsets[:, None, :]
        seen = torch.cat([prefix[:, None, :].expand(-1, own.shape[1], -1), own & earlier], dim=2)
        mask = torch.full(seen.shape, torch.finfo(like.dtype).min, dtype=like.dtype, device=like.device)
        return mask.masked_fill(seen, 0.0)[:, None]


def length_buckets(
    lengths: Sequence[int], batch_tokens: int, rng: np.random.Generator | None = None
) -> list[NDArray[np.int64]]:
    """Group rows of similar length so that each batch, padded to its longest row, has at most ``batch_tokens`` tokens.

    A row longer than ``batch_tokens`` is a separate batch. With ``rng``, rows of equal length and the batches are in
    random order; without it, the longest come first.
    """
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    counts = np.asarray(lengths, dtype=np.int64)
    order = order[np.argsort(-counts[order], kind="stable")]
    batches = [order[start:stop] for start, stop in length_batches(counts[order].tolist(), batch_tokens)]
    return batches if rng is None else [batches[index] for index in rng.permutation(len(batches))]


def answer_passes(
    prompt_lengths: Sequence[int], answer_lengths: Sequence[int], max_tokens: int | None
) -> list[tuple[NDArray[np.int64], float, int]]:
    """Divide prompts with answers into passes of at most ``max_tokens`` tokens, or of one row; None makes one pass.

    At most an eighth of ``max_tokens`` are tokens of answers, for which memory was planned. Prompts that fit in one
    pass keep their order.

    Returns:
        The rows of each pass, its share of all answer tokens, and its number of tokens, padding included. The mean loss
        of the whole is the sum of the passes' mean losses, each times its share.
    """
    answered = np.array(answer_lengths)
    lengths = np.array(prompt_lengths) + answered - 1  # an answer's last token is predicted but not read
    passes = [np.arange(len(lengths))]
    if max_tokens is not None:
        most_answered = max_tokens // TOKENS_PER_ANSWER_TOKEN
        fits = len(lengths) * lengths.max() <= max_tokens and answered.sum() <= most_answered
        buckets = passes if fits else length_buckets(lengths.tolist(), max_tokens)
        passes = [part for rows in buckets for part in _cut(rows, answered[rows], most_answered)]
    return [
        (rows, float(answered[rows].sum() / answered.sum()), len(rows) * int(lengths[rows].max())) for rows in passes
    ]


def _cut(rows: NDArray[np.int64], sizes: NDArray[np.int64], most: int) -> list[NDArray[np.int64]]:
    """Cut rows into consecutive parts whose sizes add up to at most ``most``, or of one row."""
    cuts, total = [], 0
    for place, size in enumerate(sizes.tolist()):
        if total and total + size > most:
            cuts.append(place)
            total = 0
        total += size
    return np.split(rows, cuts)


def length_batches(sorted_lengths: Sequence[int], batch_tokens: int = TOKENS_A_BATCH) -> list[tuple[int, int]]:
    """Cut rows into (start, stop) slices of at most ``batch_tokens`` tokens, padding included.

    The rows must be sorted by length, in either direction. A row longer than ``batch_tokens`` is a separate slice.
    """
    slices: list[tuple[int, int]] = []
    start = 0
    for row, length in enumerate(sorted_lengths):
        if row > start and (row + 1 - start) * max(sorted_lengths[start], length) > batch_tokens:
            slices.append((start, row))
            start = row
    return [*slices, (start, len(sorted_lengths))] if len(sorted_lengths) else slices


def padded(rows: Sequence[Sequence[int]], filler: int, device: torch.device) -> Tensor:
    """Join rows of token ids into one tensor, padded on the right, shape (n, longest row)."""
    width = max(map(len, rows), default=0)
    return moved(torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows], dtype=torch.long), device)


def moved(values: Tensor | NDArray[Any], device: torch.device) -> Tensor:
    """Move values from the CPU to a device; a CUDA device copies them while the CPU goes on."""
    tensor = torch.as_tensor(values)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
