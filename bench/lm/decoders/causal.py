"""Wrap a causal language model for the methods: loss on answers, candidate likelihoods, entropy and generation.

All paths call the modules' own forward, so adapters and hooks attached from outside take effect in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bench.learning.entropy import softmax_entropy
from bench.learning.temperature import fitted_temperature
from bench.lm.batching import answer_passes, length_buckets, moved, padded
from bench.lm.decoders.answer_entropy import EntropyScope, leading_positions
from bench.lm.decoders.attention import plainly_causal, sharing_keys
from bench.lm.decoders.branching import Branching, last_hidden_states
from bench.lm.decoders.prompted import PromptedDecoder
from bench.lm.precision import full_width_linear

if TYPE_CHECKING:
    from bench.lm.prompts.shared import AnswerStyle, Prompt

MAX_LOGITS = 2**26
"""Maximum logits that an accelerator keeps at once while scoring (256 MB in float32)."""
CACHED_LOGITS = 2**18
"""Logits that a CPU keeps at once: 1 MB in float32 fits in its cache, which is three times as fast."""
ROWS_BY_WIDTH = 0.5
"""Least number of a CPU's rows of logits at once, by the width of the head: each product reads the whole head, and with
a large vocabulary that takes longer than the product."""
CALIBRATED_TOKENS = 512
"""About how many tokens of answers calibrate a model; each has logits for the whole vocabulary."""
_ANY_TOKEN = 0
_Item = TypeVar("_Item")


class CausalLanguageModel(PromptedDecoder):
    """A loaded transformers decoder with its tokenizer, and what methods compute with it.

    The logits must be the output head of the last hidden state (Qwen2, Llama, Mistral and similar models).
    """

    def answer_loss(self, batch: Sequence[Prompt]) -> Tensor:
        """Return the mean cross-entropy (nats) over the answers' tokens and end tokens, a scalar with gradient."""
        prefixes = self.token_ids([prompt.shared for prompt in batch])
        return self.loss_behind(prefixes, [prompt.answer for prompt in batch])

    def loss_behind(self, prompts: list[list[int]], answers: Sequence[str]) -> Tensor:
        """Return :meth:`answer_loss` for prompts given as token ids."""
        logits, targets = self._answer_logits(prompts, answers)
        return F.cross_entropy(logits, moved(targets, self.device))

    @torch.no_grad()
    def answer_temperature(self, examples: Sequence[Prompt]) -> float:
        """Return the divisor of logits that minimizes the cross-entropy of a sample of the answers' tokens."""
        answer_ids = self.answer_ids([example.answer for example in examples], "title")
        sample = examples[:: max(1, sum(map(len, answer_ids)) // CALIBRATED_TOKENS)]
        read = [self._answer_logits(self.token_ids([one.shared]), [one.answer]) for one in sample]
        logits, targets = map(torch.cat, zip(*read, strict=True))
        return fitted_temperature(logits.cpu().numpy(), targets.numpy())

    def _answer_logits(self, prompts: list[list[int]], answers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the logits for all tokens of the answers, shape (n_tokens, vocabulary), and these tokens."""
        answer_ids = self.answer_ids(answers, "title")
        logits = self._logits_at(prompts, answer_ids, list(map(range, map(len, answer_ids))))
        return logits, torch.tensor([token for answer in answer_ids for token in answer])

    def parts_of(
        self, prompts: list[list[int]], answers: Sequence[str], max_tokens: int | None
    ) -> list[tuple[NDArray[np.int64], float, int]]:
        """Divide prompts with answers into passes; see :func:`bench.lm.batching.answer_passes`."""
        answered = [len(ids) for ids in self.answer_ids(answers, "title")]
        return answer_passes([len(prompt) for prompt in prompts], answered, max_tokens)

    def score(
        self,
        histories_titles: Sequence[Sequence[str]],
        candidate_titles: Sequence[Sequence[str]],
        style: AnswerStyle = "title",
        scored: Callable[[int], None] = lambda _n: None,
    ) -> NDArray[np.float32]:
        """Return the log-likelihood of each candidate as the answer, shape (n, n_candidates).

        Args:
            histories_titles: Titles bought per query, oldest first.
            candidate_titles: Candidate titles per query, the same number in each.
            style: What the model was trained to answer: a ``title`` is followed by the end token, the first title of a
                ``list`` by the separator; that token counts.
            scored: Called after each pass with the number of queries in it.
        """
        prompts = self.prompt_ids(histories_titles, candidate_titles)
        continuations = self.candidate_ids(candidate_titles, style)
        lengths = [len(prompt) + sum(map(len, row)) for prompt, row in zip(prompts, continuations, strict=True)]
        scores = np.empty((len(prompts), len(continuations[0]) if continuations else 0), dtype=np.float32)
        with _scoring(self.model):
            for rows in length_buckets(lengths, self.pass_tokens):
                totals = self._branch_log_likelihoods(_take(prompts, rows), _take(continuations, rows))
                scores[rows] = totals.cpu().numpy()
                scored(len(rows))
        return scores

    def logits_behind(
        self, prompts: list[list[int]], branches: list[list[list[int]]], tokens: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the logits of given tokens as the next token after each branch, shape (n, n_branches, n_tokens).

        Args:
            prompts: Token ids that a query's branches share; their keys and values are computed once.
            branches: Continuations per query, the same number in each, of at least one token.
            tokens: The tokens whose logits are returned.
        """
        lengths = [len(prompt) + sum(map(len, row)) for prompt, row in zip(prompts, branches, strict=True)]
        n_branches = len(branches[0]) if branches else 0
        logits = np.empty((len(prompts), n_branches, len(tokens)), dtype=np.float32)
        with _scoring(self.model):
            for rows in length_buckets(lengths, self.pass_tokens):
                batch = _take(branches, rows)
                branching = Branching.of(_take(prompts, rows), batch, self.model.dtype, self.device)
                last = branching.branch_rows[np.cumsum([len(branch) for row in batch for branch in row]) - 1]
                hidden = last_hidden_states(self.model, branching)[torch.from_numpy(last).to(self.device)]
                asked = self._exact_logits(hidden, list(tokens))
                logits[rows] = asked.view(len(rows), n_branches, -1).cpu().numpy()
        return logits

    def logits_after(self, prompts: list[list[int]]) -> Tensor:
        """Return the logits of the first token after each prompt, shape (n, vocabulary), float32, in one pass."""
        return self._logits_at(prompts, [[_ANY_TOKEN]] * len(prompts), [[0]] * len(prompts))

    def answer_entropy(
        self,
        prompts: Sequence[str],
        k: int,
        scope: EntropyScope = "first_title",
        max_new_tokens: int = 400,
        temperature: float | Tensor | None = None,
    ) -> Tensor:
        """Return the mean entropy (nats, full vocabulary) of the model's own greedy answer, a scalar with gradient.

        Args:
            prompts: Shared prompts; no labels are needed.
            k: Number of tokens that count.
            scope: Whether the first ``k`` tokens of the answer count, or of each title in it.
            max_new_tokens: Length at which a list of titles is cut; ``first_title`` generates only ``k`` tokens.
            temperature: Number by which the logits are divided; None leaves them unchanged.
        """
        prompt_ids, answers, counted = self._greedy_answers(prompts, k, scope, max_new_tokens)
        return softmax_entropy(self._logits_at(prompt_ids, answers, counted), temperature).mean()

    def answer_entropy_terms(
        self,
        prompts: Sequence[str],
        k: int,
        scope: EntropyScope = "first_title",
        max_new_tokens: int = 400,
        temperature: float | Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Yield one term per prompt, whose sum is :meth:`answer_entropy`.

        If each term's gradient is computed before the next is drawn, only one prompt's graph is in memory.
        """
        prompt_ids, answers, counted = self._greedy_answers(prompts, k, scope, max_new_tokens)
        n_counted = sum(map(len, counted))
        for one in zip(prompt_ids, answers, counted, strict=True):
            logits = self._logits_at(*([part] for part in one))
            yield softmax_entropy(logits, temperature).sum() / n_counted

    def _greedy_answers(
        self, prompts: Sequence[str], k: int, scope: EntropyScope, max_new_tokens: int
    ) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
        """Return the token ids of prompts and of their greedy answers, and the positions in each answer that count."""
        prompt_ids = self.token_ids(prompts)
        answers = self.greedy_ids(prompt_ids, k if scope == "first_title" else max_new_tokens)
        pieces = [list(map(self.tokenizer.decode, answer)) for answer in answers]
        return prompt_ids, answers, [leading_positions(row, k, scope) for row in pieces]

    def generate(self, prompts: Sequence[str], max_new_tokens: int = 400) -> list[str]:
        """Return the model's greedy answer to each prompt, without special tokens."""
        return self.texts(self.greedy_ids(self.token_ids(prompts), max_new_tokens))

    def texts(self, answers: Sequence[list[int]]) -> list[str]:
        """Return the text of each answer's token ids, without special tokens."""
        return [str(self.tokenizer.decode(answer, skip_special_tokens=True)) for answer in answers]

    def greedy_ids(
        self, prompts: list[list[int]], max_new_tokens: int, batch_tokens: int | None = None
    ) -> list[list[int]]:
        """Return the token ids of the greedy answer to each prompt, up to and including the end token, if any."""
        answers: list[list[int]] = [[] for _ in prompts]
        with _scoring(self.model):
            lengths = [len(ids) + max_new_tokens for ids in prompts]
            for rows in length_buckets(lengths, batch_tokens or self.pass_tokens):
                for row, answer in zip(rows, self._greedy_batch(_take(prompts, rows), max_new_tokens), strict=True):
                    answers[row] = answer
        return answers

    def _logits_at(
        self, prefixes: list[list[int]], answers: list[list[int]], positions: Sequence[Sequence[int]]
    ) -> Tensor:
        """Return the logits that predict the answers' tokens at the given positions, with all answers' rows joined.

        Rows are padded on the right, which causal attention cannot see, so no mask is needed.
        """
        inputs = [prefix + answer[:-1] for prefix, answer in zip(prefixes, answers, strict=True)]
        with plainly_causal(self.model):
            read = self.model.get_decoder()(input_ids=padded(inputs, 0, self.device), use_cache=False)
        rows = np.repeat(np.arange(len(answers)), list(map(len, positions)))
        columns = np.array([len(p) - 1 + place for p, row in zip(prefixes, positions, strict=True) for place in row])
        return self._head(read.last_hidden_state[tuple(moved(np.stack([rows, columns]), self.device))])

    def _head(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    @cached_property
    def _exact_head(self) -> tuple[Tensor, Tensor | None]:
        """The weights and the bias of the output head in float32, which no adapter changes."""
        head = self.model.get_output_embeddings()
        exact = torch.promote_types(head.weight.dtype, torch.float32)
        bias = getattr(head, "bias", None)
        return head.weight.to(exact), None if bias is None else bias.to(exact)

    def _exact_logits(self, hidden: Tensor, tokens: list[int] | slice = slice(None)) -> Tensor:
        """Return the logits of all or some tokens in float32: in bfloat16, many of a query's candidates would tie.

        In training they are computed in its number format.
        """
        if torch.is_autocast_enabled(self.device.type):
            return self._head(hidden)[:, tokens]
        weight, bias = self._exact_head
        return full_width_linear(hidden.to(weight.dtype), weight[tokens], None if bias is None else bias[tokens])

    def _branch_log_likelihoods(self, prompts: list[list[int]], answers: list[list[list[int]]]) -> Tensor:
        """Return summed log-probabilities, shape (n, n_answers); an answer's last token is predicted but never read."""
        read = [[answer[:-1] for answer in row] for row in answers]
        branching = Branching.of(prompts, read, self.model.dtype, self.device)
        hidden = last_hidden_states(self.model, branching)
        first_tokens = torch.tensor([[answer[0] for answer in row] for row in answers], device=self.device)
        ends = torch.from_numpy(branching.prompt_ends).to(self.device)
        totals = self._exact_logits(hidden[ends]).log_softmax(-1).gather(1, first_tokens)
        later = [token for row in answers for answer in row for token in answer[1:]]
        n_later = [len(answer) - 1 for row in answers for answer in row]
        rows = torch.from_numpy(branching.branch_rows).to(self.device)
        gained = self._log_probabilities(hidden[rows], torch.tensor(later, dtype=torch.long, device=self.device))
        index = torch.from_numpy(np.repeat(np.arange(len(n_later)), n_later)).to(self.device)
        return totals.flatten().index_add(0, index, gained).view(totals.shape)

    def _log_probabilities(self, hidden: Tensor, targets: Tensor) -> Tensor:
        at_once, least = (
            (CACHED_LOGITS, hidden.shape[1] * ROWS_BY_WIDTH) if self.device.type == "cpu" else (MAX_LOGITS, 1)
        )
        n_rows = max(1, int(least), at_once // int(self.model.config.vocab_size))
        chunks = zip(torch.split(hidden, n_rows), torch.split(targets, n_rows), strict=True)
        scored = ((self._exact_logits(rows), wanted) for rows, wanted in chunks)
        return torch.cat([-F.cross_entropy(logits, wanted, reduction="none") for logits, wanted in scored])

    def _greedy_batch(self, prefixes: list[list[int]], max_new_tokens: int) -> list[list[int]]:
        end = self.tokenizer.eos_token_id
        ids = padded([row[::-1] for row in prefixes], end, self.device).flip(1)
        lengths = torch.tensor([len(row) for row in prefixes], device=self.device)
        mask = torch.arange(ids.shape[1], device=self.device).flip(0) < lengths[:, None]
        # A hub model's own defaults may sample or penalize repetition; each is reset to plain greedy decoding.
        # A cache of fixed length is not copied for each token; compiling would be repeated for each length.
        with sharing_keys(self.model):
            made = self.model.generate(
                input_ids=ids, attention_mask=mask.long(), max_new_tokens=max_new_tokens, do_sample=False, num_beams=1,
                temperature=1.0, top_p=1.0, top_k=50, repetition_penalty=1.0, eos_token_id=end, pad_token_id=end,
                cache_implementation="static", disable_compile=True,
            )  # fmt: skip
        return [until(row, end) for row in made[:, ids.shape[1] :].tolist()]


@contextmanager
def _scoring(model: Any) -> Iterator[None]:
    """Turn dropout and gradients off inside the block."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def _take(rows: Sequence[_Item], chosen: NDArray[np.int64]) -> list[_Item]:
    return [rows[index] for index in chosen]


def until(ids: list[int], end: int) -> list[int]:
    """Return token ids up to and including the first end token, or all if there is none."""
    return ids[: ids.index(end) + 1] if end in ids else ids
