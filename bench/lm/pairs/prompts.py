"""Build prompts "History: … Candidate: …" as token rows, one per candidate, and batches of them.

A prompt's history comes first, so the prompts of one query have the same tokens at the same positions up to their
candidate. Everything that depends only on a token and its position is therefore computed once for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.errors import BenchError
from bench.lm.prompts.shared import clean_title

if TYPE_CHECKING:
    from bench.data.domain import Domain

TITLE_WORDS = 8
"""Number of words of a title that are kept (X-Cross)."""
TITLE_TOKENS = 32
"""Number of tokens of a title that are kept. As many are always left for the candidate, so a prompt's history does
not depend on the candidate that follows."""
LEAD_IN, BETWEEN, LEAD_OUT = "History:", ";", "Candidate:"

TokenRow = NDArray[np.int64]


def mean_jaccard_distance(prompts: Sequence[TokenRow]) -> float:
    """Return the mean Jaccard distance of all pairs of distinct prompts; 0 for a single prompt.

    The distance of two prompts is 1 − |A ∩ B| / |A ∪ B| over their sets of tokens.
    """
    from scipy.sparse import csr_array

    if len(prompts) < 2:
        return 0.0
    sets = [np.unique(prompt) for prompt in prompts]
    sizes = np.array([len(tokens) for tokens in sets])
    indptr, columns = np.concatenate([[0], np.cumsum(sizes)]), np.concatenate(sets)
    has = csr_array((np.ones(len(columns), dtype=np.float32), columns, indptr))
    shared = (has @ has.T).toarray()
    shares = shared / (sizes[:, None] + sizes - shared)
    n = len(prompts)
    return float(1 - (shares.sum() - n) / (n * (n - 1)))


@dataclass(frozen=True, eq=False)
class PairBatch:
    """Prompts of similar length as a matrix of indices into their distinct (token, position) pairs."""

    tokens: Tensor
    """Token ids of the distinct pairs, shape (n_distinct,)."""
    positions: Tensor
    """Their positions, shape (n_distinct,)."""
    index: Tensor
    """Index into ``tokens`` of each prompt's tokens, 0 beyond its end, shape (n_prompts, longest)."""
    mask: Tensor | None
    """True where there is a token, shape (n_prompts, longest); None if all prompts are equally long."""

    @classmethod
    def of(cls, prompts: Sequence[TokenRow], device: torch.device | str) -> PairBatch:
        """Join prompts; those shorter than the longest are padded and masked."""
        lengths = np.array([len(prompt) for prompt in prompts])
        filled = np.arange(lengths.max()) < lengths[:, None]
        places = np.nonzero(filled)[1]
        distinct, rows = np.unique(np.concatenate(prompts) * len(filled[0]) + places, return_inverse=True)
        index = np.zeros(filled.shape, dtype=np.int64)
        index[filled] = rows
        return cls(
            tokens=torch.from_numpy(distinct // len(filled[0])).to(device),
            positions=torch.from_numpy(distinct % len(filled[0])).to(device),
            index=torch.from_numpy(index).to(device),
            mask=None if filled.all() else torch.from_numpy(filled).to(device),
        )


class PairPrompts:
    """Write prompts from titles that are tokenized once per domain; ``max_history`` 0 keeps whole histories."""

    def __init__(self, tokenizer: Any, max_tokens: int, max_history: int) -> None:
        self.tokenizer, self.max_tokens, self.max_history = tokenizer, max_tokens, max_history
        begin, end = tokenizer("")["input_ids"]
        self.begin = np.array([begin, *self._tokens([LEAD_IN])[0]], dtype=np.int64)
        self.between, self.lead_out = (np.array(row, dtype=np.int64) for row in self._tokens([BETWEEN, LEAD_OUT]))
        self.end = np.array([end], dtype=np.int64)
        self.budget = max_tokens - len(self.begin) - len(self.lead_out) - len(self.end) - TITLE_TOKENS
        if self.budget < 0:
            raise BenchError(
                f"A prompt of {max_tokens} tokens leaves no room for a candidate: set -p max_tokens to at least "
                f"{max_tokens - self.budget}, and use a backbone that supports as many."
            )
        self._titles: dict[str, list[TokenRow]] = {}

    def prefix(self, domain: Domain, history: Sequence[int] | NDArray[Any]) -> TokenRow:
        """Return the part of a prompt before its candidate: the latest titles that fit, oldest first."""
        titles = self._titles_of(domain)
        kept: list[TokenRow] = []
        left = self.budget
        for item in reversed(history[-self.max_history :] if self.max_history else history):
            title = titles[item]
            needed = len(title) + (len(self.between) if kept else 0)
            if needed > left:
                break
            left -= needed
            kept = [title, *([self.between, *kept] if kept else [])]
        return np.concatenate([self.begin, *kept, self.lead_out])

    def prompts(self, domain: Domain, history: NDArray[Any], candidates: NDArray[Any]) -> list[TokenRow]:
        """Return one prompt per candidate."""
        prefix, titles = self.prefix(domain, history), self._titles_of(domain)
        return [np.concatenate([prefix, titles[item], self.end]) for item in candidates]

    def _titles_of(self, domain: Domain) -> list[TokenRow]:
        key = domain.content_hash
        if key not in self._titles:
            short = [" ".join(clean_title(title).split()[:TITLE_WORDS]) for title in domain.titles]
            self._titles[key] = [np.array(row[:TITLE_TOKENS], dtype=np.int64) for row in self._tokens(short)]
        return self._titles[key]

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids
