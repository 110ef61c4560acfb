"""Base of the cross-encoder methods, which read (history, candidate) pairs: adapters and their zero-shot results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.files.revisions import revision_of
from bench.files.store import read_json, write_json
from bench.learning.training import STOPPING_METRIC, stopping_score, validation_sample
from bench.lm.adapters.recipes import FAST, XCROSS, Recipe
from bench.lm.loading import task_backbone
from bench.lm.pairs.model import PairLanguageModel, PairRecipe, PairScorer, learnable_users
from bench.lm.recommenders import AdapterRecommender
from bench.lm.training.library import AdapterPlan
from bench.plugin import Answers, FitReport, PromptReport, Queries, Task, at_least, shrinks_to

if TYPE_CHECKING:
    import numpy as np

    from bench.data.domain import Domain
    from bench.lm.adapters.adapter import Adapter


@dataclass(frozen=True)
class PairParams(PairRecipe):
    """The recipe of the adapters and of their evaluation."""

    n_validation: int = field(default=200, metadata=shrinks_to("validation") | at_least(0))
    """Validation queries (a random sample) for choosing states and sources and early stopping; 0 uses all."""


class PairRecommender(AdapterRecommender):
    """Adapters of a cross-encoder, each with its own pooler and scorer."""

    Params = PairParams
    recipes: ClassVar[Mapping[str, Recipe]] = {"fast": FAST, "paper": XCROSS}
    reader = PairLanguageModel
    language_model: PairLanguageModel

    def load(self, task: Task) -> PairLanguageModel:
        """Load the task's encoder as a cross-encoder.

        Raises:
            BenchError: a parameter is stated that only applies to decoders.
        """
        language_model = PairLanguageModel(task_backbone(task, "encoder"), task.device, pair_recipe(self.params))
        language_model.set_up(self.reading, task.ranking)
        return language_model

    def fit(self, task: Task) -> None:
        """Train (or load) the planned adapters.

        Raises:
            BenchError: a domain has no user to learn from.
        """
        for plan in self.plans(task).values():
            for domain in plan.domains:
                check_learnable(domain, self.params.n_negatives)
        super().fit(task)

    def scores_with(self, adapter: Adapter, queries: Queries) -> NDArray[np.float32]:
        """Return the scores of the encoder with an adapter folded in, computed by the adapter's own head."""
        with self.language_model.using(adapter):
            return self.scores_by(self.language_model.pair_scores, queries)

    def scores_by(self, scorer: PairScorer, queries: Queries) -> NDArray[np.float32]:
        """Return the target's scores by any scorer of pairs, shape (n, n_candidates)."""
        return self.language_model.score_by(scorer, self.task.target, queries, self.task.progress)

    def training_prompts(self) -> PromptReport:
        """Return the number, length and diversity of the target's training prompts, for methods that train on them."""
        return self.language_model.training_prompts(self.task.target, self.params.n_negatives)

    def validation_sample(self) -> tuple[Queries, Answers]:
        """Return the seeded sample of validation queries that is used to choose adapters and states."""
        return validation_sample(self.task, self.params.n_validation, ("pair-validation",))

    def zero_shot(self) -> dict[str, float]:
        """Return each trained adapter's stopping metric on the target's validation sample; computed once and stored."""
        return {role: self._measured(role) for role in self.trained}

    def _measured(self, role: str) -> float:
        queries, answers = self.validation_sample()
        asked = [queries.history_indptr, queries.history_items, queries.candidates, answers.positive_column]
        key = {
            "revision": revision_of(__name__),
            "adapter": self.facts[role].id,
            "reading": [self.params.max_tokens, self.params.max_history],
            "queries": content_hash(*asked, list(self.task.target.titles)),
        }

        def make(folder: Path) -> None:
            self.task.progress(f"scoring {len(queries):,} validation queries with the adapter of {role}")
            value = stopping_score(self.scores_with(self.trained[role], queries), answers)
            write_json(folder / "zero_shot.json", {str(STOPPING_METRIC): value})

        folder = self.task.artifacts.get_or_make("pair-zero-shot", key, make)
        return float(read_json(folder / "zero_shot.json")[str(STOPPING_METRIC)])

    def report(self) -> FitReport:
        """Add the size of a head and the training speed of the adapters."""
        speeds = {
            role: round(report.n_examples / report.seconds, 3)
            for role, report in self.facts.items()
            if report.seconds > 0
        }
        return (
            super()
            .report()
            .stating(
                n_head_parameters=sum(weights.numel() for weights in self.language_model.head.parameters()),
                adapter_examples_per_second=speeds,
            )
        )

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "LoRA scales by alpha / rank; the paper's equation has only alpha.",
            "LoRA on query and value projections; the paper names no layers.",
            "Prompts of 128 tokens, 4 users per step and a learning rate of 5e-4 until validation NDCG@3 stops rising, "
            "unless set otherwise; the paper: 512, 1, 5e-5 and 40 epochs.",
            "One example per user, the last training item, in every setting.",
        )


def pair_recipe(params: PairRecipe) -> PairRecipe:
    """Return only the recipe from a method's parameters."""
    return PairRecipe(**{field.name: getattr(params, field.name) for field in fields(PairRecipe)})


def source_plans(task: Task, params: PairRecipe, n_needed: int) -> dict[str, AdapterPlan]:
    """Plan one adapter per source domain.

    Raises:
        BenchError: there are fewer than ``n_needed``.
    """
    if len(task.sources) < n_needed:
        raise BenchError(
            f"This method needs {n_needed} source dataset{'s' if n_needed > 1 else ''}, but got {len(task.sources)}: "
            "give more with --source-datasets A,B."
        )
    return {source.name: AdapterPlan((source,), pair_recipe(params)) for source in task.sources}


def check_learnable(domain: Domain, n_negatives: int) -> None:
    """Raise BenchError if no user of a domain has a history and enough other titles to draw negatives from."""
    if not len(learnable_users(domain, n_negatives)):
        raise BenchError(
            f"'{domain.name}' has no user with two training interactions and {n_negatives} other titles to draw "
            f"negatives from: lower -p n_negatives, or see 'bench data stats {domain.name}'."
        )
