"""Use a causal language model as a recommender: one instruction prompt, with the next title as its answer.

Training predicts the title that followed each training prefix, among 29 sampled negatives. Scoring ranks candidates by
the likelihood of their titles. Entropy is that of the first tokens of the model's own greedy answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.lm.adapters.peft_folders import adapter_hash
from bench.lm.backbones import Backbone, quiet_transformers, reading_model
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.examples import n_prefixes, sampled_prefixes, titles_of, untouched_items
from bench.lm.decoders.title_scores import DEFAULT_SCORING, SCORINGS, Scoring, TitlePriors, counting, title_scores
from bench.lm.language_model import ENTROPY_TOKENS, MAX_HISTORY, LanguageModel, Part, Reading
from bench.lm.precision import training_dtype, training_precision
from bench.lm.prompts.shared import AnswerStyle, Prompt, answer_text, prompt_hash

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from bench.data.domain import Domain
    from bench.files.store import ArtifactStore
    from bench.lm.adapters.adapter import Adapter, LoraRecipe
    from bench.lm.decoders.answer_entropy import EntropyScope
    from bench.plugin import Answers, ProgressHook, Queries, Task

N_TRAINING_NEGATIVES = 29
QUERIES_AT_ONCE = 500
BATCHES_SORTED_TOGETHER = 16


class GenerativeLanguageModel(LanguageModel):
    """Instruction-tuned ranking with a decoder."""

    def __init__(self, backbone: Backbone, device: str = "cpu") -> None:
        self.backbone = backbone
        self.causal = loaded_decoder(backbone, device, MAX_HISTORY, self.weights_dtype(device))
        self.model: nn.Module = self.causal.model
        self.scoring: Scoring = DEFAULT_SCORING
        self.store: ArtifactStore | None = None
        self.priors: TitlePriors | None = None
        self._kept = TitlePriors()

    @classmethod
    def for_task(cls, backbone: Backbone, task: Task) -> Self:
        """Load the backbone; priors of titles are kept in the task's store."""
        language_model = cls(backbone, task.device)
        language_model.store = task.artifacts
        return language_model

    @staticmethod
    def weights_dtype(device: str) -> torch.dtype:
        """Return the number format of the frozen weights."""
        return training_dtype(device)

    objective = (
        f"next title, prompt {prompt_hash(max_history=MAX_HISTORY)}, negatives {N_TRAINING_NEGATIVES}, "
        "lowest loss kept, calibrated"
    )
    defaults: ClassVar = {
        "dropout": 0.05,
        "learning_rate": 1e-3,
        "epochs": 1,
        "batch_size": 32,
        "max_examples": 10_000,
        "adapted_layers": 0,
    }
    answer_style: AnswerStyle = "title"
    """What the model is trained to answer; ``objective`` describes it."""
    entropy_scope: EntropyScope = "first_title"
    """Which tokens of the model's own answers count for :meth:`entropy`."""
    max_new_tokens = 400
    """Length at which a generated list is cut, in tokens (the papers: 800; a trained model ends well before either)."""

    @property
    def max_history(self) -> int:
        """Number of most recent history items in a prompt."""
        return self.causal.max_history or 0

    @max_history.setter
    def max_history(self, n_items: int) -> None:
        self.causal = replace(self.causal, max_history=n_items)

    def set_up(self, reading: Reading, ranking: str | None) -> None:
        """Set what a prompt contains and how candidates are scored."""
        self.causal = replace(
            self.causal,
            max_history=reading.max_history,
            title_words=reading.title_words,
            with_candidates=reading.candidates_in_prompt,
        )
        self.scoring = next((one for one in SCORINGS if one == ranking), DEFAULT_SCORING)

    @contextmanager
    def with_priors_of(self, adapter: Adapter | None) -> Iterator[None]:
        """Keep the priors of titles, computed while the block runs with an adapter, for the next such block."""
        of = (self.backbone.revision, *((adapter_hash(adapter),) if adapter else ()), self.causal.prompt_hash)
        if self._kept.of != of:
            self._kept = TitlePriors(self.store, of)
        self.priors = self._kept
        try:
            yield
        finally:
            self.priors = None

    def facts(self) -> dict[str, Any]:
        """Return the hash of the prompt's wording and how candidates are ranked."""
        return {
            "prompt_hash": self.causal.prompt_hash,
            "scored_by": "likelihood of the title as the answer",
            "scoring": self.scoring,
        }

    def batches(
        self, domains: Sequence[Domain], recipe: LoraRecipe, rng: np.random.Generator
    ) -> Iterator[tuple[list[Prompt], int]]:
        """Yield batches of prompts of similar length: examples are shuffled, then sorted within windows."""
        examples = [example for domain in domains for example in sampled_prefixes(domain, recipe, rng)]
        order = rng.permutation(len(examples))
        batch_size = recipe.batch_size or 1
        window = batch_size * BATCHES_SORTED_TOGETHER
        for start in range(0, len(order), window):
            prompts = [self._prompt(examples[index], rng) for index in order[start : start + window]]
            prompts.sort(key=lambda prompt: len(prompt.shared))
            cut = range(0, len(prompts), batch_size)
            for first in rng.permutation(np.array(cut)):
                batch = prompts[first : first + batch_size]
                yield batch, len(batch)

    def count_examples(self, domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return the number of prompts per epoch."""
        counts = [int(n_prefixes(domain).sum()) for domain in domains]
        return sum(min(count, recipe.max_examples) if recipe.max_examples else count for count in counts)

    def loss(self, batch: list[Prompt]) -> Tensor:
        """Return the mean cross-entropy over the answers' tokens."""
        return self.causal.answer_loss(batch)

    def held_out(self, domain: Domain, queries: Queries, answers: Answers) -> list[Prompt]:
        """Return the queries' prompts with the right answers."""
        prompts = self.causal.shared_prompts(*titles_of(domain, queries))
        rows = zip(prompts, queries.candidates, answers.positive_column, strict=True)
        rng = np.random.default_rng(0)
        return [
            Prompt(prompt, self._answer(domain, [items[column], *np.delete(items, column)], rng))
            for prompt, items, column in rows
        ]

    def answer_temperature(self, held_out: Sequence[list[Prompt]]) -> float:
        """Return the divisor that calibrates the logits of the answers' tokens."""
        return self.causal.answer_temperature([prompt for batch in held_out for prompt in batch])

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The decoder layers."""
        return self.causal.layers

    def parts(self, batch: list[Prompt], max_tokens: int | None) -> list[Part]:
        """Divide a batch into passes of prompts of similar length."""
        prompts = self.causal.token_ids([prompt.shared for prompt in batch])
        passes = self.causal.parts_of(prompts, [prompt.answer for prompt in batch], max_tokens)
        return [Part([batch[row] for row in rows], share, n_tokens) for rows, share, n_tokens in passes]

    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return scores by the likelihood of each candidate's title as the answer, shape (n, n_candidates)."""
        return self.title_scores(domain, queries, progress, self.answer_style, self.scoring)

    def scores_in_training(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return the likelihoods of the titles, whatever the scoring, so that all scorings share their adapters."""
        with training_precision(next(self.model.parameters()).device):
            return self.title_scores(domain, queries, progress, self.answer_style, "sum")

    def score_with(
        self, adapter: Adapter | None, domain: Domain, queries: Queries, progress: ProgressHook
    ) -> NDArray[np.float32]:
        """Return :meth:`score` of the model with an adapter, with each title's prior computed once per adapter."""
        with self.with_priors_of(adapter):
            return super().score_with(adapter, domain, queries, progress)

    def title_scores(
        self, domain: Domain, queries: Queries, progress: ProgressHook, style: AnswerStyle, scoring: Scoring
    ) -> NDArray[np.float32]:
        """Return scores by the likelihood of the candidates' titles, (n, n_candidates); see :func:`title_scores`."""
        priors = self.priors or TitlePriors()
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        counted = counting(progress, "scoring", len(queries), "queries")
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            rows = np.arange(start, min(start + QUERIES_AT_ONCE, len(queries)))
            texts = titles_of(domain, queries.take(rows))
            scores[rows] = title_scores(self.causal, *texts, style, scoring, priors, progress, counted)
        return scores

    def entropy(
        self,
        domain: Domain,
        queries: Queries,
        temperature: float | Tensor | None = None,
        n_tokens: int = ENTROPY_TOKENS,
    ) -> Tensor:
        """Return the mean entropy over the first tokens of the model's own greedy answers, or of each title in them."""
        prompts = self.causal.shared_prompts(*titles_of(domain, queries))
        return self.causal.answer_entropy(prompts, n_tokens, self.entropy_scope, self.max_new_tokens, temperature)

    def entropy_terms(
        self,
        domain: Domain,
        queries: Queries,
        temperature: float | Tensor | None = None,
        n_tokens: int = ENTROPY_TOKENS,
    ) -> Iterator[Tensor]:
        """Yield one term of the entropy per prompt."""
        prompts = self.causal.shared_prompts(*titles_of(domain, queries))
        return self.causal.answer_entropy_terms(prompts, n_tokens, self.entropy_scope, self.max_new_tokens, temperature)

    def _prompt(self, example: tuple[Domain, int, int], rng: np.random.Generator) -> Prompt:
        """Write the prompt for the user's item at a position, among negatives that have training interactions."""
        domain, user, place = example
        history = domain.history(user)
        negatives = untouched_items(domain, user, N_TRAINING_NEGATIVES, rng)
        offered = rng.permutation(np.append(negatives, history[place]))
        titles = domain.titles
        shared = self.causal.shared_prompts(
            [[titles[item] for item in history[:place]]], [[titles[item] for item in offered]]
        )
        return Prompt(shared[0], self._answer(domain, [history[place], *negatives], rng))

    def _answer(self, domain: Domain, items: Sequence[int], rng: np.random.Generator) -> str:
        """Return the answer to a prompt whose right item is the first of the items."""
        truth, *others = [self.causal.cut(domain.titles[item]) for item in items]
        return answer_text(truth, others, self.answer_style, rng)


def loaded_decoder(
    backbone: Backbone, device: str, max_history: int, dtype: torch.dtype | None = None
) -> CausalLanguageModel:
    """Load a decoder with frozen weights, by default in the number format that the device trains in."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_transformers(), reading_model(backbone):
        model = AutoModelForCausalLM.from_pretrained(
            backbone.folder, trust_remote_code=False, dtype=dtype or training_dtype(device)
        )
        tokenizer = AutoTokenizer.from_pretrained(backbone.folder, trust_remote_code=False)
    model.requires_grad_(False)
    return CausalLanguageModel(model.eval().to(device), tokenizer, max_history=max_history)
