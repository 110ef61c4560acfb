"""TALLRec as published: a language model judges for one item at a time whether the user will like it.

Paper: Bao et al. 2023, arXiv 2305.00447. A LoRA adapter on the query and value projections is tuned on a handful of
samples (16, 64 or 256) whose answers are "Yes." or "No.". With l the logits of the answer's first token,

    P(yes) = exp(l_yes) / (exp(l_yes) + exp(l_no)) = sigmoid(l_yes - l_no),

and candidates are ranked by l_yes - l_no. The authors' evaluator instead applies a softmax to the two probabilities,
which is monotone in their difference, not in their ratio, and so may order candidates of different prompts
differently. The 30 prompts of a query share the user's history, so its keys and values are computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import AdapterSpec, LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.decoders.examples import n_prefixes, titles_of
from bench.lm.decoders.likelihood import loaded_decoder
from bench.lm.language_model import ENTROPY_TOKENS, LanguageModel, Part
from bench.lm.loading import planned_backbone, task_backbone
from bench.lm.prompts.shared import chat_format, clean_title, last_items, plain_chat
from bench.lm.prompts.yes_no import NO, YES, answer_tokens, log_odds, question_hash, question_parts
from bench.lm.training.library import AdapterPlan, carry_out, planned_specs
from bench.plugin import (
    FitReport,
    ProgressHook,
    Queries,
    Recommender,
    Task,
    above,
    at_least,
    at_most,
    below,
    between,
    shrinks_to,
)
from bench.progress import Steps, tell
from bench.registry import register

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.lm.backbones import Backbone

ADAPTED_LAYERS = ("q_proj", "v_proj")
QUERIES_BETWEEN_REPORTS = 500


@dataclass(frozen=True)
class Question:
    """One sample: token ids of the part shared by a user's questions and of the rest, and the answer."""

    opening: list[int]
    """Everything before the item."""
    rest: list[int]
    """The item and what follows it."""
    answer: str


class YesNoLanguageModel(LanguageModel):
    """A decoder that judges one item at a time."""

    adapted_layers = ADAPTED_LAYERS
    objective = f"yes or no, prompt {question_hash(plain_chat)}, adapted {' '.join(ADAPTED_LAYERS)}"

    def __init__(
        self,
        backbone: Backbone,
        device: str = "cpu",
        seed: int = 0,
        max_history: int = 20,
        refused: NDArray[np.int64] | None = None,
    ) -> None:
        """Load the decoder; negatives are drawn from ``refused``, by default all items with training interactions."""
        self.backbone = backbone
        self.causal = loaded_decoder(backbone, device, max_history)
        self.model = self.causal.model
        self.seed, self.max_history, self.refused = seed, max_history, refused
        self.chat = chat_format(self.causal.tokenizer)
        self.yes_tokens, self.no_tokens = answer_tokens(self.causal.tokenizer)

    def facts(self) -> dict[str, Any]:
        """Return the wording's hash and the tokens whose logits are used."""
        pieces = [list(map(self.causal.tokenizer.decode, tokens)) for tokens in (self.yes_tokens, self.no_tokens)]
        return {"prompt_hash": question_hash(self.chat), "yes_tokens": pieces[0], "no_tokens": pieces[1]}

    def batches(
        self, domains: Sequence[Domain], recipe: LoraRecipe, rng: np.random.Generator
    ) -> Iterator[tuple[list[Question], int]]:
        """Yield the same samples in every epoch, shuffled; half of each domain's samples have the answer yes."""
        questions = [question for domain in domains for question in self.samples(domain, recipe.max_examples or 0)]
        order, size = rng.permutation(len(questions)), recipe.batch_size or 1
        for start in range(0, len(order), size):
            batch = [questions[index] for index in order[start : start + size]]
            yield batch, len(batch)

    def count_examples(self, domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return the number of samples per epoch."""
        return sum(min(recipe.max_examples or 0, int(n_prefixes(domain).sum())) for domain in domains)

    def loss(self, batch: list[Question]) -> Tensor:
        """Return the mean cross-entropy over the answers' tokens, the end token included."""
        prompts = [question.opening + question.rest for question in batch]
        return self.causal.loss_behind(prompts, [question.answer for question in batch])

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The decoder layers."""
        return self.causal.layers

    def parts(self, batch: list[Question], max_tokens: int | None) -> list[Part]:
        """Divide a batch into passes of questions of similar length."""
        prompts = [question.opening + question.rest for question in batch]
        passes = self.causal.parts_of(prompts, [question.answer for question in batch], max_tokens)
        return [Part([batch[row] for row in rows], share, n_tokens) for rows, share, n_tokens in passes]

    def samples(self, domain: Domain, n_samples: int) -> list[Question]:
        """Draw training prefixes, in turn with the item that followed and one the user has not interacted with."""
        rng = np.random.default_rng(derived_seed(self.seed, "yes-no-samples", domain.content_hash))
        refused = np.flatnonzero(domain.item_counts()) if self.refused is None else self.refused
        counts = n_prefixes(domain)
        ends = np.cumsum(counts)
        chosen = rng.permutation(int(counts.sum()))[:n_samples]
        questions = []
        for number, index in enumerate(chosen):
            user = int(np.searchsorted(ends, index, side="right"))
            place = int(index - (ends[user] - counts[user])) + 1
            history = domain.history(user)
            drawn = rng.permutation(refused)[: 1 + len(history)] if number % 2 else refused[:0]
            untouched = drawn[~np.isin(drawn, history)]
            item, answer = (untouched[0], NO) if len(untouched) else (history[place], YES)
            opening, rests = self.question([domain.titles[i] for i in history[:place]], [domain.titles[item]])
            questions.append(Question(opening, rests[0], answer))
        return questions

    def question(self, history: Sequence[str], items: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """Return the token ids of the shared part of the questions about some items, and of each item's rest.

        The two parts are tokenized separately in training and in scoring, so that sharing does not change the results.
        The oldest history items are dropped if the shared part is too long.
        """
        kept = list(last_items(history, self.max_history))
        while True:
            opening, closing = question_parts(kept, self.chat)
            shared = self.causal.token_ids([opening])[0]
            if len(shared) <= self.causal.max_tokens or len(kept) <= 1:
                return shared, self.causal.token_ids([clean_title(item) + closing for item in items])
            kept = kept[1:]

    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return the log-odds of yes for each candidate, shape (n, n_candidates)."""
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        for start in range(0, len(queries), QUERIES_BETWEEN_REPORTS):
            rows = np.arange(start, min(start + QUERIES_BETWEEN_REPORTS, len(queries)))
            asked = [self.question(*query) for query in zip(*titles_of(domain, queries.take(rows)), strict=True)]
            logits = self.causal.logits_behind(
                [shared for shared, _ in asked], [rests for _, rests in asked], [*self.yes_tokens, *self.no_tokens]
            )
            scores[rows] = log_odds(torch.from_numpy(logits), len(self.yes_tokens)).numpy()
            tell(progress, Steps("scoring", len(rows) + start, len(queries), "queries"))
        return scores

    def entropy(
        self,
        domain: Domain,
        queries: Queries,
        temperature: float | Tensor | None = None,
        n_tokens: int = ENTROPY_TOKENS,
    ) -> Tensor:
        """Return the mean entropy in nats of yes and no over all candidates, a scalar with gradient."""
        asked = [self.question(*query) for query in zip(*titles_of(domain, queries), strict=True)]
        logits = self.causal.logits_after([shared + rest for shared, rests in asked for rest in rests])
        odds = log_odds(logits[:, [*self.yes_tokens, *self.no_tokens]], len(self.yes_tokens))
        return softmax_entropy(torch.stack([odds, torch.zeros_like(odds)], dim=-1), temperature).mean()


@dataclass(frozen=True)
class YesNoParams:
    """How the adapter is trained."""

    n_samples: int = field(default=64, metadata=at_least(1))
    """Number of training samples, half of them with the answer yes (the paper: 16, 64 and 256)."""
    rank: int = field(default=8, metadata=at_least(1))
    """Rank of the LoRA factors."""
    alpha: int = field(default=16, metadata=at_least(1))
    """LoRA's alpha: its scaling times its rank."""
    dropout: float = field(default=0.05, metadata=at_least(0) | below(1))
    """Dropout rate of LoRA."""
    learning_rate: float = field(default=1e-3, metadata=above(0) | at_most(1))
    """Peak learning rate of AdamW (the paper: 1e-4 for seven billion parameters)."""
    epochs: int = field(default=20, metadata=at_least(1))
    """Passes over the samples (the paper: 200, in batches of 128)."""
    batch_size: int = field(default=16, metadata=at_least(1))
    """Samples per step (the paper: 128)."""
    max_history: int = field(default=20, metadata=at_least(1))
    """Number of latest items in the prompt."""
    warmup_steps: int = field(default=4, metadata=at_least(0))
    """Warm-up steps of the learning rate."""
    patience: int = field(default=5, metadata=at_least(1))
    """Consecutive epochs without improvement before the learning rate decays and training ends."""
    decay_share: float = field(default=0.1, metadata=between(0, 1))
    """Number of decay steps, as a fraction of the steps up to the best state."""
    n_validation: int = field(default=200, metadata=shrinks_to("validation") | at_least(0))
    """Number of validation queries (a random sample) for model selection and early stopping."""

    def recipe(self) -> LoraRecipe:
        """Return the adapter's recipe."""
        return LoraRecipe(
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            batch_size=self.batch_size,
            max_examples=self.n_samples,
            max_history=self.max_history,
            warmup_steps=self.warmup_steps,
            checks_an_epoch=1,
            patience=self.patience,
            decay_share=self.decay_share,
            n_validation=self.n_validation,
        )


@register(
    "tallrec-yesno",
    title="TALLRec (yes/no)",
    family="language-model",
    paper="Bao et al. 2023, arXiv 2305.00447",
    needs_titles=True,
    runs_on="decoder",
    cold_rule="title text",
)
class TallRecYesNo(Recommender):
    """One yes/no question per candidate."""

    Params = YesNoParams

    def plan(self, task: Task) -> AdapterPlan:
        """Return the plan of the adapter."""
        return AdapterPlan((task.target,), self.params.recipe())

    def adapters(self, task: Task) -> list[AdapterSpec]:
        """Return the spec of the adapter that ``fit`` trains or loads."""
        _require_decoder(planned_backbone(task))
        return planned_specs(task, [self.plan(task)], YesNoLanguageModel)

    def fit(self, task: Task) -> None:
        """Train (or load) the adapter."""
        backbone = task_backbone(task)
        _require_decoder(backbone)
        self.task = task
        self.language_model = YesNoLanguageModel(
            backbone, task.device, task.seed, self.params.max_history, np.flatnonzero(task.target.item_counts())
        )
        self.adapter, self.facts = carry_out(self.plan(task), self.language_model, task)

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the log-odds of yes, shape (n, n_candidates)."""
        with folded(self.language_model.model, self.adapter):
            return self.language_model.score(self.task.target, queries, self.task.progress)

    def report(self) -> FitReport:
        """Return the adapter's training and size, the wording and the answers' tokens."""
        return FitReport(
            trained_parameters=self.adapter.n_parameters,
            adapters={" + ".join(self.facts.domains): self.facts},
            extra=self.language_model.facts(),
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "The common backbone instead of LLaMA-7B, without prior tuning on general instructions.",
            "Purchases represent liked items; there is no list of disliked ones, so No. is the answer to an "
            "item of the training part that the user has not interacted with.",
            "Ranks by the difference of the two answers' logits; the authors' evaluator applies a softmax to "
            "probabilities.",
            "Learning rate, batch size and epochs suit a small backbone, and the best state is chosen by NDCG@3 on "
            "validation queries, not by AUC.",
        )


def _require_decoder(backbone: Backbone) -> None:
    if backbone.kind != "causal":
        raise BenchError(
            f"Backbone '{backbone.name}' is an encoder and cannot generate an answer; tallrec-yesno needs a decoder, "
            "such as --backbone smollm2."
        )
