"""What the methods made of adapters share: planning and training them, and scoring with one adapter."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from bench.errors import BenchError
from bench.lm.adapters.adapter import Adapter, AdapterSpec, LoraRecipe
from bench.lm.loading import load_language_model
from bench.lm.merging.updates import CutAdapter
from bench.lm.training.library import AdapterPlan, carry_out, plan_by_hash, planned_specs
from bench.plugin import FitReport, Queries, Recommender, Task

if TYPE_CHECKING:
    import numpy as np

    from bench.data.domain import Domain
    from bench.lm.language_model import LanguageModel

PREFIXES_ALONE = (
    "Trained on prefixes of the training part alone; the examples of RecCocktail's and WeaveRec's authors hold all "
    "users' validation answers."
)


class AdapterRecommender(Recommender):
    """Trains (or finds) the adapters it plans, makes one of them, and scores with that."""

    Params: ClassVar[type[LoraRecipe]] = LoraRecipe
    reader: ClassVar[type[LanguageModel] | None] = None
    """The class that trains the adapters; None takes the usual one of the backbone's kind."""

    @abstractmethod
    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the adapters that are needed, by the role that each plays."""

    @abstractmethod
    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the adapter to score these queries with."""

    def adapters(self, task: Task) -> list[AdapterSpec]:
        """Return the specs of the adapters that ``fit`` trains or finds."""
        return planned_specs(task, list(self.plans(task).values()), self.reader)

    def load(self, task: Task) -> LanguageModel:
        """Load the task's backbone, to read as long histories as the parameters say."""
        return load_language_model(task, self.params.max_history)

    def train_adapter(self, task: Task, adapter: str) -> None:
        """Train one of the planned adapters."""
        plan = plan_by_hash(task, list(self.plans(task).values()), adapter, self.reader)
        carry_out(plan, self.load(task), task)

    def fit(self, task: Task) -> None:
        """Train the planned adapters, or find them."""
        plans = self.plans(task)
        self.task, self.language_model = task, self.load(task)
        made = {role: carry_out(plan, self.language_model, task) for role, plan in plans.items()}
        self.trained = {role: adapter for role, (adapter, _) in made.items()}
        self.facts = {role: report for role, (_, report) in made.items()}
        self.used: Adapter | None = None

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the adapted model's scores."""
        self.used = self.adapter_for(queries)
        return self.scores_with(self.used, queries)

    def scores_with(self, adapter: Adapter, queries: Queries) -> NDArray[np.float32]:
        """Return the scores of the model with any adapter."""
        return self.language_model.score_with(adapter, self.task.target, queries, self.task.progress)

    def report(self) -> FitReport:
        """Return the adapters' trainings and size, how queries are scored and what a cut has left."""
        cut: dict[str, Any] = {}
        if isinstance(self.used, CutAdapter):
            cut = {"merged_rank": self.used.cut_to, "kept_share": round(self.used.kept_share, 6)}
        return FitReport(
            trained_parameters=sum(adapter.n_trained_parameters for adapter in self.trained.values()),
            adapters=self.facts,
            extra={**self.language_model.facts(), **cut},
        )

    def deviations(self) -> tuple[str, ...]:
        """Return what all adapters are trained on."""
        return (PREFIXES_ALONE,)


class SingleAdapter(AdapterRecommender):
    """Scores with the one adapter it has planned last."""

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return that adapter."""
        return list(self.trained.values())[-1]


class DomainMerge(AdapterRecommender):
    """Shared by those that merge the target's adapter with one of each source domain alone; the target comes first."""

    @abstractmethod
    def merge(self, queries: Queries) -> Adapter:
        """Merge the adapters, of which there are at least two."""

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return one adapter a domain."""
        recipe = recipe_of(self.params)
        return {domain.name: AdapterPlan((domain,), recipe) for domain in (task.target, *task.sources)}

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the merged adapter; with no source domain that is the target's."""
        return self.merge(queries) if len(self.trained) > 1 else next(iter(self.trained.values()))


def recipe_of(params: LoraRecipe) -> LoraRecipe:
    """Return the recipe in a method's parameters without what else is in them."""
    return LoraRecipe(**{field.name: getattr(params, field.name) for field in fields(LoraRecipe)})


def general_domains(task: Task) -> tuple[Domain, ...]:
    """Return the task's source domains; raise BenchError where there are none."""
    if not task.sources:
        raise BenchError("The general adapter needs source datasets: give --source-datasets A,B.")
    return task.sources
