"""Zero-shot: the backbone without an adapter, with the same prompt and scoring as the fine-tuned systems.

A causal backbone ranks candidates by the likelihood of their titles as the first title of the list that the prompt
requests, because an untrained model would not end its answer after one title. The papers (RecCocktail, arXiv
2502.08271; WeaveRec, arXiv 2510.26546) let it generate a list instead (``--scoring generate``) and report scores near
or below chance level, mostly because the lists contain none of the candidates. The record counts such lists;
``n_written`` counts them in addition to a ranking by likelihood. An encoder ranks with two towers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.lm.decoders.engines import TransformersEngine
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.decoders.lists import ListLanguageModel, WrittenList, list_facts, write_lists
from bench.lm.language_model import MAX_HISTORY, Reading
from bench.lm.loading import load_language_model
from bench.plugin import FitReport, Queries, Recommender, Task, at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.lm.decoders.causal import CausalLanguageModel
    from bench.lm.prompts.shared import AnswerStyle

ANSWER_STYLE: AnswerStyle = "list"
"""The answer that the prompt requests: a title ends with the separator before the next one."""


@register(
    "zeroshot",
    title="Zero-shot",
    family="language-model",
    paper="RecCocktail, arXiv 2502.08271, baseline",
    needs_titles=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class ZeroShot(Recommender):
    """The pre-trained language model, with the same prompt as the fine-tuned ones."""

    @dataclass(frozen=True)
    class Params:
        """Parameters of scoring and generation; nothing is trained."""

        n_written: int = field(default=0, metadata=at_least(0))
        """When scoring by likelihood: number of test queries (a random sample) for which the model also generates
        a list, to count titles that are not candidates. Does not change scores; 0 generates none."""
        max_new_tokens: int = field(default=400, metadata=at_least(1))
        """Maximum length of a generated list in tokens."""
        max_history: int = field(default=MAX_HISTORY, metadata={"neutral": True} | at_least(1))
        """Maximum length of a history."""
        title_words: int = field(default=0, metadata={"neutral": True} | at_least(0))
        """With a decoder: number of first words of each title in prompts and answers; 0 keeps whole titles."""
        candidates_in_prompt: bool = field(default=True, metadata={"neutral": True})
        """With a decoder: whether the prompt contains the candidates."""

    by_likelihood: bool = True
    """Whether it scores by likelihood; only certain after fitting."""

    def fit(self, task: Task) -> None:
        """Load the backbone."""
        params = self.params
        reading = Reading(params.max_history, params.title_words, params.candidates_in_prompt)
        self.task, self.language_model = task, load_language_model(task, reading)
        self.by_likelihood = self.language_model.backbone.kind != "encoder" and task.ranking != "generate"
        self.written: dict[str, Any] = {}
        if self.params.n_written and self.language_model.backbone.kind == "encoder":
            raise BenchError(
                f"Backbone '{task.backbone}' is an encoder and cannot generate lists: remove -p n_written or use "
                "--backbone smollm2."
            )
        if isinstance(self.language_model, ListLanguageModel):
            if self.params.n_written:
                raise BenchError("With --scoring generate the lists of all queries are counted: remove -p n_written.")
            self.language_model.max_new_tokens = self.params.max_new_tokens

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the unadapted model's scores, shape (n, n_candidates)."""
        model, task = self.language_model, self.task
        if not (isinstance(model, GenerativeLanguageModel) and self.by_likelihood):
            return model.score(task.target, queries, task.progress)
        if self.params.n_written:
            self.written = {"lists": list_facts(self._written_lists(model.causal, queries))}
        with model.with_priors_of(None):
            return model.title_scores(task.target, queries, task.progress, ANSWER_STYLE, model.scoring)

    def report(self) -> FitReport:
        """Return the prompt, how candidates are ranked and statistics of generated lists."""
        is_encoder = self.language_model.backbone.kind == "encoder"
        same_as = {"equals": "text-knn, for without an adapter both towers are the encoder"} if is_encoder else {}
        scored = {"scored_answer": ANSWER_STYLE} if self.by_likelihood else {}
        return FitReport(trained_parameters=0).stating(
            **self.language_model.facts(), **scored, **same_as, **self.written
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return ("Ranks by likelihood, not by a generated list.",) if self.by_likelihood else ()

    def _written_lists(self, causal: CausalLanguageModel, queries: Queries) -> list[WrittenList]:
        """Return the lists that the model generates for a sample of the queries."""
        rng = np.random.default_rng(derived_seed(self.task.seed, "written-lists"))
        sample = queries.take(rng.permutation(len(queries))[: self.params.n_written])
        engine = TransformersEngine(causal)
        return write_lists(
            causal, engine, None, self.task.target, sample, self.params.max_new_tokens, self.task.progress
        )
