"""Which artifacts of a cache are needed to repeat stored or planned runs without training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.registry import registry
from bench.spec import RunSpec

if TYPE_CHECKING:
    from bench.files.cache_contents import Item
    from bench.runs.plan import Plan
    from bench.runs.record import RunRecord

ADAPTERS = "adapters"


@dataclass
class Needs:
    """What a set of runs needs. Where a key does not tell for certain, an artifact counts as needed."""

    specs: list[RunSpec] = field(default_factory=list)
    adapters: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, records: Iterable[RunRecord], plans: Iterable[Plan] = ()) -> Needs:
        """Return what stored runs and the runs of plans need."""
        needs = cls()
        for record in records:
            needs.specs.append(record.spec)
            needs.adapters |= {adapter.id for adapter in record.fit.adapters.values()}
        for plan in plans:
            needs.specs += [job.spec for job in plan.runs]
            needs.adapters |= {job.id for job in plan.adapters}
        return needs

    def unneeded(self, artifacts: Iterable[Item]) -> list[Item]:
        """Return the artifacts that no run needs."""
        items = list(artifacts)
        adapters = {item.path.name: item.key for item in items if item.kind == ADAPTERS}
        needed = _with_starts(self.adapters, adapters)
        datasets = {name for spec in self.specs for name in (spec.protocol.dataset, *spec.sources)}
        modules = [(_module(spec.method), spec) for spec in self.specs]
        return [item for item in items if not _is_needed(item, needed, datasets, modules)]


def _with_starts(needed: set[str], adapters: Mapping[str, Any]) -> set[str]:
    """Return needed adapters with those that their trainings continued from."""
    found, waiting = set[str](), list(needed)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        key = adapters.get(name)
        start = key.get("start") if isinstance(key, dict) else None
        waiting += [start] if isinstance(start, str) else []
    return found


def _is_needed(item: Item, adapters: set[str], datasets: set[str], modules: list[tuple[str, RunSpec]]) -> bool:
    if item.kind == ADAPTERS:
        return item.path.name in adapters
    key = item.key
    name = _dataset_of(item.kind, key)
    if name is not None:
        return name in datasets
    if not (isinstance(key, dict) and isinstance(key.get("class"), str)):
        return True
    module = key["class"].partition(":")[0]
    return any(module == own and _may_have_trained(spec, key) for own, spec in modules)


def _dataset_of(kind: str, key: Any) -> str | None:
    """Return the dataset that prepared data or candidates belong to; None for other artifacts."""
    try:
        name = {"domains": lambda: key["card"]["name"], "candidates": lambda: key[2]["dataset"]}[kind]()
    except (LookupError, TypeError):
        return None
    return name if isinstance(name, str) else None


def _may_have_trained(spec: RunSpec, key: dict[str, Any]) -> bool:
    """Whether nothing in a key differs from a run's spec."""
    params = key.get("params", {})
    stated = {"seed": spec.seed, "setting": spec.protocol.setting}
    return all(key.get(name, value) == value for name, value in stated.items()) and all(
        _plain(spec.params[name]) == value for name, value in params.items() if name in spec.params
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _module(method: str) -> str:
    try:
        return registry().entry(method).target.partition(":")[0]
    except BenchError:  # a plugin that is not installed here
        return ""
