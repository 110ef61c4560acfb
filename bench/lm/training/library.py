"""Find or train adapters: each distinct one is trained once and stored under a hash of what determines it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.domain import Domain
from bench.files.hashing import content_hash
from bench.files.revisions import revision_of
from bench.learning.checkpoints import Checkpoint
from bench.learning.team import current_team
from bench.learning.training import sample_of
from bench.lm.adapters.adapter import Adapter, AdapterSpec, LoraRecipe, load_adapter, save_adapter
from bench.lm.decoders.examples import n_prefixes
from bench.lm.language_model import LanguageModel
from bench.lm.loading import language_model_class, planned_backbone
from bench.lm.training.lora import Course, Validation, chosen_by, train_adapter
from bench.plugin import AdapterReport, Task
from bench.plugin.fit_report import as_tuples
from bench.progress import Phase, tell

if TYPE_CHECKING:
    from bench.learning.steps import StepLog

ADAPTER_KIND = AdapterSpec.kind


@dataclass(frozen=True, eq=False)
class AdapterPlan:
    """An adapter that a method needs, independent of backbone and seed."""

    domains: tuple[Domain, ...]
    """The domains that it is trained on, in any order."""
    recipe: LoraRecipe
    start: AdapterPlan | None = None
    """The adapter that training starts from; None starts from the group's initialization."""
    as_long_as: tuple[AdapterPlan, ...] = ()
    """Adapters whose numbers of steps add up to this adapter's; empty lets validation decide."""
    order: int = 0
    """Which of several orders of examples after the same start."""

    def needed_first(self) -> list[AdapterPlan]:
        """Return the plans that must be carried out first."""
        return [*([self.start] if self.start is not None else []), *self.as_long_as]


@dataclass(frozen=True)
class _Reading:
    """What determines the adapter of a plan: the backbone, the class that trains it, and the task."""

    revision: str
    reader: type[LanguageModel]
    task: Task

    def spec(self, plan: AdapterPlan) -> AdapterSpec:
        """Return the spec of a planned adapter."""
        recipe = plan.recipe.completed(self.reader.defaults)
        by_hash = sorted(plan.domains, key=lambda domain: domain.content_hash)
        return AdapterSpec(
            backbone=self.revision,
            domains=tuple(domain.content_hash for domain in by_hash),
            recipe=recipe,
            seed=self.task.seed,
            start=None if plan.start is None else self.hash(plan.start),
            as_long_as=tuple(sorted(self.hash(other) for other in plan.as_long_as)),
            order=plan.order,
            validation=tuple(
                content_hash(queries.users, queries.history_items, queries.candidates, answers.positive_column)
                for _, queries, answers in self.validation(plan)
            ),
            objective=revised_objective(self.reader),
            names=tuple(domain.name for domain in by_hash),
            n_examples=self.n_examples(by_hash, recipe),
        )

    @staticmethod
    def n_examples(domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return the maximum number of examples read in all epochs together, without the decay."""
        counts = [int(n_prefixes(domain).sum()) for domain in domains]
        epochs = 1 if recipe.epochs is None else recipe.epochs
        return epochs * sum(min(count, recipe.max_examples) if recipe.max_examples else count for count in counts)

    def hash(self, plan: AdapterPlan) -> str:
        """Return the hash under which a planned adapter is stored."""
        return content_hash(self.spec(plan).key())

    def validation(self, plan: AdapterPlan) -> list[Validation]:
        """Return the sample of each domain's validation queries that chooses the adapter's state, in a fixed order."""
        n_queries = plan.recipe.n_validation
        asked = []
        for domain in sorted(plan.domains, key=lambda domain: domain.content_hash):
            found = self.task.validation_of(domain)
            if found is not None:
                asked.append((domain, *sample_of(*found, n_queries, self.task.seed, "adapter-validation")))
        return asked


def planned_specs(
    task: Task, plans: Sequence[AdapterPlan], reader: type[LanguageModel] | None = None
) -> list[AdapterSpec]:
    """Return the distinct specs of the planned adapters in training order, without loading a model.

    ``reader`` is the class that trains them; None uses the default class of the backbone's kind.
    """
    reading = _planned_reading(task, reader)
    specs = [reading.spec(step) for plan in plans for step in _steps(plan)]
    return list({content_hash(spec.key()): spec for spec in specs}.values())


def plan_by_hash(
    task: Task, plans: Sequence[AdapterPlan], adapter: str, reader: type[LanguageModel] | None = None
) -> AdapterPlan:
    """Return the plan, among ``plans`` and all that they need, whose adapter is stored under this hash."""
    reading = _planned_reading(task, reader)
    return next(step for plan in plans for step in _steps(plan) if reading.hash(step) == adapter)


def _planned_reading(task: Task, reader: type[LanguageModel] | None) -> _Reading:
    backbone = planned_backbone(task)
    return _Reading(backbone.revision, reader or language_model_class(backbone, task.ranking), task)


def carry_out(plan: AdapterPlan, language_model: LanguageModel, task: Task) -> tuple[Adapter, AdapterReport]:
    """Return the planned adapter, trained now if it is not stored, and the report of its training."""
    reading = _Reading(language_model.backbone.revision, type(language_model), task)
    reports = [carry_out(other, language_model, task)[1] for other in plan.needed_first()]
    n_steps = sum(report.n_steps for report in reports[-len(plan.as_long_as) :]) if plan.as_long_as else None
    return _trained_adapter(plan, language_model, reading, n_steps)


def _steps(plan: AdapterPlan) -> list[AdapterPlan]:
    """Return the plans of the adapters to train one after the other, ending with the given one."""
    return [*(step for other in plan.needed_first() for step in _steps(other)), plan]


def revised_objective(reader: type[LanguageModel]) -> str:
    """Return a class's objective with the revision of its training code; part of every adapter's key."""
    return f"{reader.objective}, revision {revision_of(__name__, reader.__module__)}"


def _trained_adapter(
    plan: AdapterPlan, language_model: LanguageModel, reading: _Reading, n_steps: int | None
) -> tuple[Adapter, AdapterReport]:
    """Return the adapter, trained now if it is not stored, and the report of its training.

    Of several processes, the first one looks for the adapter, holds its lease, and stores it; the others train with it.
    """
    spec, artifacts, progress = reading.spec(plan), reading.task.artifacts, reading.task.progress
    checkpoint = Checkpoint(artifacts.unfinished(ADAPTER_KIND, spec.key()) / "checkpoint.safetensors")
    team, validation = current_team(), reading.validation(plan)

    def train() -> tuple[Adapter, StepLog]:
        tell(progress, Phase("adapter"))
        progress(f"training an adapter on {', '.join(spec.names)}")
        begun = None if spec.start is None else load_adapter(artifacts.root / ADAPTER_KIND / spec.start)[0]
        course = Course(spec.seed, spec.order, n_steps, begun, checkpoint, team)
        return train_adapter(language_model, plan.domains, spec.recipe, course, progress, validation)

    def make(folder: Path) -> None:
        team.of_first(value=True)
        adapter, log = train()
        report = AdapterReport(
            id=content_hash(spec.key()),
            domains=spec.names,
            n_examples=log.n_examples,
            n_steps=log.n_steps,
            seconds=round(log.seconds, 3),
            losses=_rounded(log.losses),
            slice_losses=_rounded(log.held_out_losses),
            best_check=log.best_check,
            validation=_rounded(log.validation),
            epoch_of_check=_rounded(log.epoch_of_check),
            epochs=round(log.epochs, 6),
            temperature=adapter.temperature,
            chosen_on=chosen_by(validation, by_loss=bool(log.held_out_losses)),
            ended=log.ended,
        )
        save_adapter(folder, adapter, {"training": asdict(report)})

    if team.is_first:
        artifacts.get_or_make(ADAPTER_KIND, spec.key(), make)
        checkpoint.remove()
        team.of_first(value=False)
    else:
        while team.of_first(value=False):
            train()
    adapter, facts = load_adapter(artifacts.path(ADAPTER_KIND, spec.key()))
    return adapter, AdapterReport(**as_tuples(facts["training"]))


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in values)
