"""Write prompts and answers as token ids: how much of a history, which words of titles, which chat format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.lm.prompts.shared import (
    SEPARATOR,
    AnswerStyle,
    ChatFormat,
    chat_format,
    cut_title,
    fitting_prompts,
    last_items,
    prompt_hash,
)

if TYPE_CHECKING:
    import torch

CPU_PASS_TOKENS = 2**12
ACCELERATOR_PASS_TOKENS = 2**14
"""Enough to make reading the weights of a 7B model a small part of a pass; more would need memory for nothing."""
_MASKABLE_ATTENTION = ("sdpa", "eager")


@dataclass(frozen=True, eq=False)
class PromptedDecoder:
    """A loaded transformers decoder with its tokenizer, and what it is asked."""

    model: Any
    """A ``...ForCausalLM`` module with ``sdpa`` or ``eager`` attention."""
    tokenizer: Any
    """Its tokenizer, with an end token."""
    max_tokens: int = 1200
    """Maximum length of a prompt; the oldest purchases are left out to keep within it, but never candidates."""
    max_history: int | None = None
    """How many of the latest purchases a prompt shows; None shows all that fit."""
    title_words: int = 0
    """How many words of a title a prompt and an answer contain; 0 keeps all."""
    with_candidates: bool = True
    """Whether a prompt contains the candidates."""
    batch_tokens: int | None = None
    """Tokens in one forward pass of scoring and generating, padding included; None chooses by the kind of device."""
    rewording: Callable[[ChatFormat], ChatFormat] = lambda chat: chat
    """Modifies the chat format used to write prompts, to test a different wording."""

    def __post_init__(self) -> None:
        attention = getattr(self.model.config, "_attn_implementation", "sdpa")
        if attention not in _MASKABLE_ATTENTION:
            raise BenchError(
                f"Attention '{attention}' cannot score candidates together: load the model with 'sdpa' or 'eager'."
            )
        if self.tokenizer.eos_token_id is None:
            raise BenchError(
                "The tokenizer has no end-of-sequence token, so answers cannot end: use an instruction-tuned model."
            )

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device  # type: ignore[no-any-return]

    @property
    def pass_tokens(self) -> int:
        """Tokens in one forward pass of scoring and generating."""
        return self.batch_tokens or (CPU_PASS_TOKENS if self.device.type == "cpu" else ACCELERATOR_PASS_TOKENS)

    @property
    def layers(self) -> Sequence[Any]:
        """The decoder layers, in order."""
        return list(self.model.get_decoder().layers)

    @property
    def prompt_hash(self) -> str:
        """Hash of the wording that this model gets, including its chat format and the lengths of history and titles."""
        chat = self.rewording(chat_format(self.tokenizer))
        return prompt_hash(chat, self.max_history, self.title_words, self.with_candidates)

    def cut(self, title: str) -> str:
        """Return a title as it is written in prompts and answers."""
        return cut_title(title, self.title_words)

    def shared_prompts(self, histories: Sequence[Sequence[str]], candidates: Sequence[Sequence[str]]) -> list[str]:
        """Write one prompt per query, with as much of the latest history as :attr:`max_tokens` allows."""
        return [text for text, _ in self._fitting_prompts(histories, candidates)]

    def prompt_ids(self, histories: Sequence[Sequence[str]], candidates: Sequence[Sequence[str]]) -> list[list[int]]:
        """Return the token ids of :meth:`shared_prompts`."""
        return [ids for _, ids in self._fitting_prompts(histories, candidates)]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, without added special tokens."""
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        return ids

    def answer_ids(self, answers: Sequence[str], style: AnswerStyle) -> list[list[int]]:
        """Return each answer's token ids, with what ends it: the separator after the first title of a list."""
        if style == "list":
            return self.token_ids([answer + SEPARATOR for answer in answers])
        return [[*ids, self.tokenizer.eos_token_id] for ids in self.token_ids(answers)]

    def candidate_ids(self, titles: Sequence[Sequence[str]], style: AnswerStyle) -> list[list[list[int]]]:
        """Return the token ids of each query's titles as answers; a title shared by many queries is tokenized once."""
        distinct = list(dict.fromkeys(title for row in titles for title in row))
        ids = dict(zip(distinct, self.answer_ids(list(map(self.cut, distinct)), style), strict=True))
        return [[ids[title] for title in row] for row in titles]

    def answer_lengths(self, candidate_titles: Sequence[Sequence[str]], style: AnswerStyle) -> NDArray[np.float32]:
        """Return each candidate's number of tokens as the answer, what ends it included, shape (n, n_candidates)."""
        return np.array([list(map(len, row)) for row in self.candidate_ids(candidate_titles, style)], dtype=np.float32)

    def _fitting_prompts(
        self, histories: Sequence[Sequence[str]], candidates: Sequence[Sequence[str]]
    ) -> list[tuple[str, list[int]]]:
        chat = self.rewording(chat_format(self.tokenizer))
        bought = [list(map(self.cut, last_items(titles, self.max_history))) for titles in histories]
        offered = [list(map(self.cut, titles)) if self.with_candidates else None for titles in candidates]
        return fitting_prompts(bought, offered, chat, self.token_ids, self.max_tokens, self.max_history)
