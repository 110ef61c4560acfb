"""The adapters that exist: each distinct one is trained once and found again by what made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.data.domain import Domain
from bench.files.hashing import content_hash
from bench.files.revisions import revision_of
from bench.files.store import ArtefactStore
from bench.lm.adapters.adapter import Adapter, AdapterSpec, LoraRecipe, load_adapter, save_adapter
from bench.lm.language_model import LanguageModel
from bench.lm.loading import language_model_class, planned_backbone
from bench.lm.training.lora import train_adapter
from bench.plugin import AdapterReport, ProgressHook, Task
from bench.plugin.fit_report import as_tuples

ADAPTER_KIND = AdapterSpec.kind


@dataclass(frozen=True, eq=False)
class AdapterPlan:
    """An adapter that a method wants, whatever the backbone and the seed."""

    domains: tuple[Domain, ...]
    """What it is trained on, in any order."""
    recipe: LoraRecipe
    start: AdapterPlan | None = None
    """The adapter that training goes on from; None starts from the group's initialisation."""

    def spec(self, revision: str, objective: str, seed: int) -> AdapterSpec:
        """Return the adapter's spec for one backbone revision."""
        start = None if self.start is None else content_hash(self.start.spec(revision, objective, seed).key())
        return adapter_spec(revision, objective, self.domains, self.recipe, seed, start)


def planned_specs(
    task: Task, plans: Sequence[AdapterPlan], reader: type[LanguageModel] | None = None
) -> list[AdapterSpec]:
    """Return the distinct specs of the planned adapters in the order of their training, without loading a model.

    ``reader`` is the class that trains them; None takes the usual one of the backbone's kind.
    """
    backbone = planned_backbone(task)
    objective = revised_objective(reader or language_model_class(backbone, task.ranking))
    specs = [step.spec(backbone.revision, objective, task.seed) for plan in plans for step in _steps(plan)]
    return list({content_hash(spec.key()): spec for spec in specs}.values())


def carry_out(plan: AdapterPlan, language_model: LanguageModel, task: Task) -> tuple[Adapter, AdapterReport]:
    """Return the planned adapter, trained now if it never was, and the report of its training."""
    start = None
    for step in _steps(plan):
        made = trained_adapter(
            language_model, step.domains, step.recipe, task.seed, task.artefacts, task.progress, start
        )
        start = made[1].id
    return made


def _steps(plan: AdapterPlan) -> list[AdapterPlan]:
    """Return the plans of the adapters that must be trained one after the other, the wanted one last."""
    return [*(_steps(plan.start) if plan.start is not None else []), plan]


def revised_objective(reader: type[LanguageModel]) -> str:
    """Return what a class of language models learns with the revision of how it does; part of every adapter's key."""
    return f"{reader.objective}, revision {revision_of(__name__, reader.__module__)}"


def adapter_spec(
    revision: str, objective: str, domains: Sequence[Domain], recipe: LoraRecipe, seed: int, start: str | None = None
) -> AdapterSpec:
    """Describe the adapter of one backbone revision trained on these domains."""
    by_hash = sorted(domains, key=lambda domain: domain.content_hash)
    return AdapterSpec(
        backbone=revision,
        domains=tuple(domain.content_hash for domain in by_hash),
        recipe=recipe,
        seed=seed,
        start=start,
        objective=objective,
        names=tuple(domain.name for domain in by_hash),
    )


def trained_adapter(
    language_model: LanguageModel,
    domains: Sequence[Domain],
    recipe: LoraRecipe,
    seed: int,
    artefacts: ArtefactStore,
    progress: ProgressHook,
    start: str | None = None,
) -> tuple[Adapter, AdapterReport]:
    """Return the adapter for these domains, trained now if it never was, and the report of its training.

    ``start`` is the hash of a stored adapter that training goes on from.
    """
    objective = revised_objective(type(language_model))
    spec = adapter_spec(language_model.backbone.revision, objective, domains, recipe, seed, start)

    def make(folder: Path) -> None:
        progress(f"training an adapter on {', '.join(spec.names)}")
        begun = None if start is None else load_adapter(artefacts.root / ADAPTER_KIND / start)[0]
        adapter, log = train_adapter(language_model, domains, recipe, seed, progress, begun)
        save_adapter(folder, adapter, {"training": asdict(log), "domains": list(spec.names)})

    folder = artefacts.get_or_make(ADAPTER_KIND, spec.key(), make)
    adapter, facts = load_adapter(folder)
    return adapter, AdapterReport(folder.name, **as_tuples({"domains": facts["domains"], **facts["training"]}))
