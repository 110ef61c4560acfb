"""Prompts cut to what a decoder may read: the oldest purchases are left out, candidates never."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.lm.prompts.shared import ChatFormat, clean_title, last_items, shared_prompt

Tokenize = Callable[[Sequence[str]], list[list[int]]]
"""Returns each text's token ids."""


def fitting_prompts(
    histories: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[str]],
    chat: ChatFormat,
    tokenize: Tokenize,
    max_tokens: int,
    max_history: int | None,
) -> list[tuple[str, list[int]]]:
    """Return each query's prompt and its token ids, shortened where it is longer than ``max_tokens``.

    Args:
        histories: For each query the titles bought, oldest first.
        candidates: For each query the titles on offer.
        chat: The model's chat format.
        tokenize: The model's tokenizer.
        max_tokens: Longest prompt; one purchase and the candidates stay even where they alone are longer.
        max_history: How many of the latest purchases a prompt shows; None shows all that fit.
    """
    kept = [last_items(history, max_history) for history in histories]
    texts = [shared_prompt(*query, chat) for query in zip(kept, candidates, strict=True)]
    written = zip(texts, tokenize(texts), kept, candidates, strict=True)
    return [_shortened(*prompt, chat, tokenize, max_tokens) for prompt in written]


def _shortened(
    text: str,
    ids: list[int],
    kept: Sequence[str],
    candidates: Sequence[str],
    chat: ChatFormat,
    tokenize: Tokenize,
    max_tokens: int,
) -> tuple[str, list[int]]:
    while (excess := len(ids) - max_tokens) > 0 and len(kept) > 1:
        freed = np.cumsum([len(title) + 1 for title in tokenize([clean_title(title) for title in kept])])
        n_dropped = min(int(np.searchsorted(freed, excess)) + 1, len(kept) - 1)
        kept = kept[n_dropped:]
        text = shared_prompt(kept, candidates, chat)
        ids = tokenize([text])[0]
    return text, ids
