"""Base classes of the methods that use adapters: planning and training the adapters, and scoring with one of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.learning.checkpoints import Checkpoint
from bench.learning.keys import training_key
from bench.lm.adapters.adapter import Adapter, AdapterSpec, LoraRecipe
from bench.lm.adapters.recipes import FAST, WEAVEREC, Recipe, recipe_name
from bench.lm.language_model import Reading
from bench.lm.loading import load_language_model
from bench.lm.merging.updates import CutAdapter
from bench.lm.training.library import AdapterPlan, carry_out, plan_by_hash, planned_specs
from bench.plugin import FitReport, Queries, Recommender, Task
from bench.progress import Phase, tell

if TYPE_CHECKING:
    import numpy as np

    from bench.data.domain import Domain
    from bench.lm.language_model import LanguageModel

PREFIXES_ALONE = (
    "Trained only on prefixes of the training part; the examples of RecCocktail's and WeaveRec's authors contain all "
    "users' validation answers."
)


class AdapterRecommender(Recommender):
    """Train or load the planned adapters, combine them into one, and score with that one."""

    Params: ClassVar[type[LoraRecipe]] = LoraRecipe
    recipes: ClassVar[Mapping[str, Recipe]] = {"fast": FAST, "paper": WEAVEREC}
    reader: ClassVar[type[LanguageModel] | None] = None
    """Class that trains the adapters; None uses the default class of the backbone's kind."""

    @abstractmethod
    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the needed adapters by their role."""

    @abstractmethod
    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the adapter that scores these queries."""

    def adapters(self, task: Task) -> list[AdapterSpec]:
        """Return the specs of the adapters that ``fit`` trains or loads."""
        return planned_specs(task, list(self.plans(task).values()), self.reader)

    def load(self, task: Task) -> LanguageModel:
        """Load the task's backbone, set to read what the parameters state."""
        return load_language_model(task, self.reading)

    @property
    def reading(self) -> Reading:
        """What the parameters state about the reading of a query."""
        params = self.params
        return Reading(params.max_history, params.title_words, params.candidates_in_prompt)

    def train_adapter(self, task: Task, adapter: str) -> None:
        """Train one of the planned adapters."""
        plan = plan_by_hash(task, list(self.plans(task).values()), adapter, self.reader)
        carry_out(plan, self.load(task), task)

    def fit(self, task: Task) -> None:
        """Train the planned adapters, or load those that were trained before."""
        plans = self.plans(task)
        self.task, self.language_model = task, self.load(task)
        made = {role: carry_out(plan, self.language_model, task) for role, plan in plans.items()}
        self.trained = {role: adapter for role, (adapter, _) in made.items()}
        self.facts = {role: report for role, (_, report) in made.items()}
        self.used: Adapter | None = None

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the adapted model's scores."""
        self.used = self.adapter_for(queries)
        tell(self.task.progress, Phase("score"))
        return self.scores_with(self.used, queries)

    def scores_with(self, adapter: Adapter, queries: Queries) -> NDArray[np.float32]:
        """Return the scores of the model with any given adapter."""
        return self.language_model.score_with(adapter, self.task.target, queries, self.task.progress)

    def adapters_on_device(self) -> list[Adapter]:
        """Return the trained adapters on the model's device, where merging whole updates takes seconds."""
        device = next(self.language_model.model.parameters()).device
        return [adapter.on(device) for adapter in self.trained.values()]

    def search_checkpoint(self, search: str, queries: Queries) -> Checkpoint:
        """Return the place of the checkpoint of a search for merge weights; ``search`` names it."""
        asked = (queries.users, queries.history_indptr, queries.history_items, queries.candidates)
        adapters = [fact.id for fact in self.facts.values()]
        key = training_key(self, self.task, search=search, queries=content_hash(*asked), adapters=adapters)
        return Checkpoint(self.task.artifacts.unfinished("merge-weights", key) / "checkpoint.safetensors")

    def report(self) -> FitReport:
        """Return the adapters' trainings and size, how queries are scored, and how much of a merge a cut kept."""
        cut: dict[str, Any] = {}
        if isinstance(self.used, CutAdapter):
            cut = {"merged_rank": self.used.cut_to, "kept_share": round(self.used.kept_share, 6)}
        return FitReport(
            trained_parameters=sum(adapter.n_trained_parameters for adapter in self.trained.values()),
            adapters=self.facts,
            extra={**self.language_model.facts(), "recipe": recipe_name(self.params, self.recipes), **cut},
        )

    def deviations(self) -> tuple[str, ...]:
        """Return how the training data of all adapters deviates from the papers."""
        return (PREFIXES_ALONE,)


class SingleAdapter(AdapterRecommender):
    """Score with a single adapter, the last one planned."""

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the single adapter."""
        return list(self.trained.values())[-1]


class DomainMerge(AdapterRecommender):
    """Base class of methods that merge the target's adapter with one adapter per source domain; the target is first."""

    @abstractmethod
    def merge(self, queries: Queries) -> Adapter:
        """Merge the adapters, at least two."""

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Plan one adapter per domain."""
        recipe = recipe_of(self.params)
        return {domain.name: AdapterPlan((domain,), recipe) for domain in (task.target, *task.sources)}

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the merged adapter, or the target's if there is no source domain."""
        return self.merge(queries) if len(self.trained) > 1 else next(iter(self.trained.values()))


def recipe_of(params: LoraRecipe) -> LoraRecipe:
    """Return only the recipe part of a method's parameters."""
    return LoraRecipe(**{field.name: getattr(params, field.name) for field in fields(LoraRecipe)})


def general_domains(task: Task) -> tuple[Domain, ...]:
    """Return the task's source domains; raise BenchError if there are none."""
    if not task.sources:
        raise BenchError("The general adapter needs source datasets: give --source-datasets A,B.")
    return task.sources
