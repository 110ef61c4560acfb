"""P5: recommendation as text-to-text: a T5 reads a prompt with history and candidates and generates the next item.

All weights are trained. A whole-word embedding is added to the encoder's input, so that the subwords of a word belong
together. A candidate's score is the log-likelihood of its title (or number) as the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from bench.baselines.networks.p5 import Tokens, load_t5
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import content_hash, derived_seed
from bench.learning.epochs import Resumable, TrainingRecord, train_until_no_better
from bench.learning.keys import training_key
from bench.learning.params import TrainingParams
from bench.learning.sequences import bucketed_batches, prefixes
from bench.learning.stored import trained_once
from bench.learning.training import (
    clip_gradients,
    descend,
    schedule_step_size,
    seeded,
    stopping_score,
    validation_sample,
)
from bench.lm.decoders.examples import untouched_items
from bench.lm.loading import task_backbone
from bench.lm.prompts.shared import NO_HISTORY, clean_title, plain_chat, shared_prompt
from bench.plugin import FitReport, Queries, Recommender, Task, above, at_least, at_most, shrinks_to
from bench.progress import Steps, prefixed, tell
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint

WARM_UP_SHARE = 0.05
QUERIES_BETWEEN_REPORTS = 1000
NUMBER_PROMPTS = (
    "{user} bought {history} . Which of {candidates} is bought next ?",
    "Of {candidates} choose what {user} buys after {history} .",
)
"""Prompts with numbers for items, modeled on P5's 2-7 and 2-9; training draws one, scoring uses the first."""


@register(
    "p5",
    title="P5",
    family="transferable",
    paper="Geng et al. 2022, arXiv 2203.13366",
    needs_titles=True,
    runs_on="seq2seq",
    cold_rule="likelihood of its title; in mode id, of a random number that did not occur in training",
)
class P5(Recommender):
    """A T5, fully fine-tuned on one prompt per training prefix."""

    @dataclass(frozen=True)
    class Params(TrainingParams):
        """Hyper-parameters of P5."""

        mode: Literal["text", "id"] = "text"
        """Represent items by titles in the shared prompt, or by random numbers in P5's prompts."""
        max_length: int = field(default=10, metadata=at_least(1))
        """Maximum number of history items in a prompt; fewer if they do not fit (P5: only limited by the prompt)."""
        max_tokens: int = field(default=512, metadata=at_least(1))
        """Maximum prompt length in tokens; the oldest items are dropped if necessary, candidates never."""
        title_tokens: int = field(default=8, metadata=at_least(1))
        """Maximum title length in tokens, in prompt and answer (P5 does not use titles in this task)."""
        epochs: int = field(default=10, metadata=at_least(1))
        """Maximum number of epochs; the learning rate decays to 0 over them."""
        training_negatives: int = field(default=29, metadata=at_least(1))
        """Negatives per training prompt, as many as in scoring (P5: 79 to 99)."""
        max_examples: int | None = field(default=1_000, metadata=shrinks_to("examples") | at_least(0))
        """Training prefixes per epoch, limited so that training takes minutes on a CPU; None uses all, as in P5."""
        batch_size: int = field(default=32, metadata=at_least(1))
        """Prompts per step."""
        learning_rate: float = field(default=1e-3, metadata=above(0) | at_most(1))
        """Peak learning rate of AdamW, reached after 5% of the steps."""
        weight_decay: float = field(default=0.01, metadata=at_least(0))
        """AdamW's weight decay."""
        validation_queries: int | None = field(default=500, metadata=shrinks_to("validation") | at_least(0))
        """Number of validation queries (a random sample) for choosing the best epoch; None uses all."""

    from_scratch: bool = False
    """Whether the T5 starts from random weights; known after fitting."""

    def fit(self, task: Task) -> None:
        """Fine-tune the T5 or load the weights of an identical training."""
        self.backbone = task_backbone(task, "seq2seq")
        self.from_scratch = self.backbone.toy
        self.progress = task.progress
        with seeded(derived_seed(task.seed, "p5")):
            self.model, tokenizer = load_t5(self.backbone, task.device)
            self.writer = PromptWriter(task, tokenizer, self.params)
            self.record = trained_once(
                task.artifacts, "models", self._key(task), self.model, partial(self._train, task)
            )

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the log-likelihood of each candidate as the answer, shape (n, n_candidates)."""
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        for start in range(0, len(queries), QUERIES_BETWEEN_REPORTS):
            rows = np.arange(start, min(start + QUERIES_BETWEEN_REPORTS, len(queries)))
            part = queries.take(rows)
            written = [
                self.writer.write(0, part.users[row], part.history(row), part.candidates[row])
                for row in range(len(part))
            ]
            scores[rows] = self.model.score(written, [self.writer.answers(row) for row in part.candidates])
            tell(self.progress, Steps("scoring", len(rows) + start, len(queries), "queries"))
        return scores

    def report(self) -> FitReport:
        """Return the size of the model and its training log."""
        return FitReport(
            trained_parameters=sum(weights.numel() for weights in self.model.parameters()),
            training=self.record.report(decays=True),
        ).stating(
            from_scratch=self.from_scratch, candidate_order="as stored", items_that_read_alike=self.writer.n_alike
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        is_titled = self.params.mode == "text"
        return (
            "trained on one task with its prompts, not on five families of tasks",
            f"{self.params.training_negatives} training negatives per prompt; P5 draws 79 to 99",
            "candidates are ranked by their likelihood, including the end token; P5 uses beam search",
            "item numbers are random; P5 assigns them along the full histories, which reveals the test item",
            *(["T5 has no line breaks, so the shared prompt uses ' ; ' instead"] if is_titled else []),
            *(["the T5 starts from random weights"] if self.from_scratch else []),
        )

    def _train(self, task: Task, checkpoint: Checkpoint) -> TrainingRecord:
        params, rng = self.params, np.random.default_rng(derived_seed(task.seed, "p5", "examples"))
        optimizer = torch.optim.AdamW(
            self.model.parameters(), params.learning_rate, weight_decay=params.weight_decay, fused=True
        )
        n_examples = int(np.maximum(np.diff(task.target.indptr) - 1, 0).sum())
        an_epoch = min(n_examples, params.max_examples or n_examples)
        n_steps = max(1, params.epochs * -(-an_epoch // params.batch_size))
        schedule_step_size(optimizer, lambda step: share_of_peak(step, n_steps))
        clip_gradients(optimizer)
        queries, answers = validation_sample(task, params.validation_queries, ("p5", "validation"))
        return train_until_no_better(
            self.model,
            lambda: descend(self.model, optimizer, (self.model.loss(*batch) for batch in self._examples(task, rng))),
            lambda: stopping_score(self.score(queries), answers),
            params.epochs,
            params.patience,
            prefixed(task.progress, f"p5 on {task.target.name}, "),
            Resumable(checkpoint, optimizer, rng),
        )

    def _examples(self, task: Task, rng: np.random.Generator) -> Iterator[tuple[list[Tokens], list[Tokens]]]:
        """Yield an epoch's batches: prompts of training prefixes of similar length, and their answers."""
        sequences = prefixes(task.target, self.params.max_length)
        chosen = rng.permutation(len(sequences))[: self.params.max_examples]
        for places in bucketed_batches(sequences.lengths[chosen], self.params.batch_size, rng):
            batch = chosen[places]
            histories, following = sequences.padded(batch) - 1, sequences.following(batch) - 1
            written = []
            for row, history, item in zip(batch, histories, following, strict=True):
                user = int(sequences.users[row])
                negatives = untouched_items(task.target, user, self.params.training_negatives, rng)
                offered = rng.permutation(np.append(negatives, item))
                form = int(rng.integers(self.writer.n_forms))
                written.append(self.writer.write(form, user, history[: sequences.lengths[row]], offered))
            yield written, self.writer.answers(following)

    def _key(self, task: Task) -> dict[str, Any]:
        """Return everything that determines the weights."""
        return training_key(self, task, libraries=("transformers",), backbone=self.backbone.revision)


class PromptWriter:
    """Writes prompts and answers as token ids; texts are tokenized once, as each is tokenized independently."""

    def __init__(self, task: Task, tokenizer: Any, params: P5.Params) -> None:
        def cut(texts: Sequence[str]) -> list[Tokens]:
            ids: list[Tokens] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
            return ids

        self.titled, self.max_tokens, self.max_length = params.mode == "text", params.max_tokens, params.max_length
        self.end: int = tokenizer.eos_token_id
        n_users, n_items = task.target.n_users, task.target.n_items
        if self.titled:
            self.items = [
                ids[: params.title_tokens] for ids in cut([clean_title(title) for title in task.target.titles])
            ]
            self.users: list[Tokens] = [[]] * n_users
            self.nothing = cut([NO_HISTORY])[0]
            text = shared_prompt(["{history}"], ["{candidates}"], plain_chat)
            forms: tuple[str, ...] = (re.sub(r"\s*\n\s*", " ; ", text.strip()),)
            between = ";"
        else:
            self.items = cut([str(number) for number in random_numbers(n_items, task.seed, "items")])
            self.users = cut([f"user_{number}" for number in random_numbers(n_users, task.seed, "users")])
            self.nothing = []
            forms, between = NUMBER_PROMPTS, ""
        self.between = cut([between])[0]
        self.forms = [_parts(form, cut) for form in forms]

    @property
    def n_forms(self) -> int:
        """Number of prompts that training draws from."""
        return len(self.forms)

    @property
    def n_alike(self) -> int:
        """Number of items that share their truncated title with another item; such candidates tie."""
        _, places, counts = np.unique(
            [content_hash(ids) for ids in self.items], return_inverse=True, return_counts=True
        )
        return int((counts[places] > 1).sum())

    def answers(self, items: NDArray[np.integer]) -> list[Tokens]:
        """Return each item's tokens with the end token."""
        return [[*self.items[item], self.end] for item in items]

    def write(self, form: int, user: int, history: NDArray[np.integer], candidates: NDArray[np.integer]) -> Tokens:
        """Write a prompt with as much recent history as fits, the candidates in the given order, and the end token.

        Raises:
            BenchError: the prompt is too long even without history.
        """
        offered = self._joined(candidates)
        fixed = sum(len(part) for part in self.forms[form] if not isinstance(part, str)) + len(self.users[user]) + 1
        room = self.max_tokens - fixed - len(offered)
        if room < 0:
            raise BenchError(
                f"A prompt of p5 needs {fixed + len(offered)} tokens, but the limit is {self.max_tokens}: lower "
                "-p title_tokens or raise -p max_tokens."
            )
        kept = history[max(0, len(history) - self.max_length) :]
        bought = self._joined(kept)
        while len(bought) > room:
            kept = kept[1:]
            bought = self._joined(kept)
        shown = bought or self.nothing[:room]
        slots: Mapping[str, Tokens] = {"user": self.users[user], "history": shown, "candidates": offered}
        parts = (slots[part] if isinstance(part, str) else part for part in self.forms[form])
        return [*(token for part in parts for token in part), self.end]

    def _joined(self, items: NDArray[np.integer]) -> Tokens:
        tokens = [token for item in items for token in (*self.items[item], *self.between)]
        return tokens[: len(tokens) - len(self.between)]


def random_numbers(count: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Return the numbers 1 to ``count`` in random order, so that numbers carry no information about interactions."""
    rng = np.random.default_rng(derived_seed(seed, "p5", "numbers", purpose))
    return rng.permutation(count) + 1


def share_of_peak(step: int, n_steps: int) -> float:
    """Return the fraction of the peak learning rate at a step: a linear rise, then a linear decay to 0."""
    n_rising = max(1, round(WARM_UP_SHARE * n_steps))
    return min((step + 1) / n_rising, max(0.0, (n_steps - step) / max(1, n_steps - n_rising)))


def _parts(form: str, cut: Callable[[Sequence[str]], list[Tokens]]) -> list[str | Tokens]:
    """Split a prompt's template at its slots into slot names and the tokens of the text between them."""
    return [
        part[1:-1] if part.startswith("{") else cut([part.strip()])[0] for part in re.split(r"(\{\w+\})", form) if part
    ]
