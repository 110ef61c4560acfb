"""Plan a set of runs as a graph of distinct jobs; work shared by several runs is one job, identified by its inputs.

A run needs every adapter that its method plans; an adapter may need others, such as the one that its training continues
from. Jobs are plain data, ordered so that each follows its dependencies. An executor, sequential or parallel, only has
to follow ``needs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.plugin import Planned, ProgressHook
from bench.runs.freshness import freshness_of
from bench.runs.store import RunStore
from bench.runs.tasks import Tasks
from bench.spec import RunSpec, spec_to_json

if TYPE_CHECKING:
    from bench.files.folders import Folders

JobState = Literal["done", "to do", "not needed"]
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class AdapterJob:
    """The training of one adapter."""

    kind: ClassVar[Literal["adapter"]] = "adapter"
    id: str
    """Hash of the adapter's key: the name of its directory in the cache."""
    adapter: Planned
    """The adapter to train."""
    backbone: str | None
    """The language model's name in the first run that needs the adapter; the key contains its revision."""
    needs: tuple[str, ...]
    """Ids of the adapters to be trained before it."""
    is_done: bool
    """Whether it is in the cache."""


@dataclass(frozen=True)
class RunJob:
    """One run: fit with trained adapters, score, store."""

    kind: ClassVar[Literal["run"]] = "run"
    id: str
    """Hash of the spec: the run's name in the store."""
    spec: RunSpec
    needs: tuple[str, ...]
    """Ids of all adapters that the method loads or trains, in the method's order."""
    is_done: bool
    """Whether its record is stored."""


Job = AdapterJob | RunJob


@dataclass(frozen=True)
class Plan:
    """Distinct jobs and their dependencies."""

    jobs: tuple[Job, ...]
    """The jobs, each after its dependencies; a run directly follows the last of its adapters."""

    @property
    def adapters(self) -> tuple[AdapterJob, ...]:
        """The distinct adapters."""
        return tuple(job for job in self.jobs if isinstance(job, AdapterJob))

    @property
    def runs(self) -> tuple[RunJob, ...]:
        """The distinct runs."""
        return tuple(job for job in self.jobs if isinstance(job, RunJob))

    @cached_property
    def needed_by(self) -> Mapping[str, tuple[RunJob, ...]]:
        """The runs that need each adapter, by the adapter's id."""
        return {job.id: tuple(run for run in self.runs if job.id in run.needs) for job in self.adapters}

    def state(self, job: Job) -> JobState:
        """Return whether a job is done, must be done, or is only needed by stored runs."""
        if job.is_done:
            return "done"
        is_needed = isinstance(job, RunJob) or any(not run.is_done for run in self.needed_by[job.id])
        return "to do" if is_needed else "not needed"

    def to_do(self) -> tuple[Job, ...]:
        """Return the jobs that must be done, each after its dependencies among them."""
        return tuple(job for job in self.jobs if self.state(job) == "to do")

    def totals(self) -> dict[str, Any]:
        """Return the counts of adapters and runs; ``unshared_adapters`` is the number without sharing between runs."""
        adapters, runs = (Counter(map(self.state, jobs)) for jobs in (self.adapters, self.runs))
        by_domains = Counter(len(job.adapter.names) for job in self.adapters)
        return {
            "adapters": len(self.adapters),
            "adapters_by_number_of_domains": {str(number): by_domains[number] for number in sorted(by_domains)},
            "unshared_adapters": sum(len(run.needs) for run in self.runs),
            "adapters_cached": adapters["done"],
            "adapters_to_train": adapters["to do"],
            "adapters_not_needed": adapters["not needed"],
            "runs": len(self.runs),
            "runs_stored": runs["done"],
            "runs_to_do": runs["to do"],
        }

    def summary(self) -> str:
        """Return the totals as one line; adapters are only mentioned if there are any."""
        totals = self.totals()
        parts = [f"{_counted(totals['runs'], 'run')}, {totals['runs_stored']:,} stored, {totals['runs_to_do']:,} to do"]
        if totals["adapters"]:
            of_domains = ", ".join(
                f"{count:,} of {_in_words(int(number))}"
                for number, count in totals["adapters_by_number_of_domains"].items()
            )
            idle = totals["adapters_not_needed"]
            parts.insert(
                0,
                f"{_counted(totals['adapters'], 'adapter')} ({of_domains}), {totals['adapters_cached']:,} cached, "
                f"{totals['adapters_to_train']:,} to train" + (f", {idle:,} for stored runs only" if idle else ""),
            )
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return ``totals``, ``adapters``, ``runs`` and ``order``, the ids of the jobs that must be done."""
        return {
            "totals": self.totals(),
            "adapters": [self._adapter_to_json(job) for job in self.adapters],
            "runs": [
                {"id": job.id, "state": self.state(job), "needs": list(job.needs), "spec": spec_to_json(job.spec)}
                for job in self.runs
            ],
            "order": [job.id for job in self.to_do()],
        }

    def _adapter_to_json(self, job: AdapterJob) -> dict[str, Any]:
        return {
            "id": job.id,
            "state": self.state(job),
            "needs": list(job.needs),
            "needed_by": [run.id for run in self.needed_by[job.id]],
            "domains": list(job.adapter.names),
            "backbone": job.backbone,
            "max_examples": job.adapter.max_examples,
            "key": job.adapter.key(),
        }


def plan_of(
    specs: Iterable[RunSpec],
    folders: Folders,
    progress: ProgressHook,
    reads_data: Callable[[RunSpec], bool] = lambda _spec: True,
    tasks: Tasks | None = None,
) -> Plan:
    """Plan completed specs given the contents of the directories; only prepared data is written.

    Runs for which ``reads_data`` is false are planned without adapters.
    """
    reader, store = tasks or Tasks(folders, progress), RunStore(folders.results_dir)

    def is_usable(spec: RunSpec) -> bool:
        return store.exists(spec.hash()) and freshness_of(store.load(spec.hash()), reader).is_fresh

    return plan_runs(
        specs,
        adapters_of=lambda spec: reader.adapters(spec) if reads_data(spec) else (),
        is_cached=lambda adapter: folders.artifacts.made(adapter.kind, adapter.key()),
        is_stored=is_usable,
    )


def plan_runs(
    specs: Iterable[RunSpec],
    adapters_of: Callable[[RunSpec], Sequence[Planned]],
    is_cached: Callable[[Planned], bool],
    is_stored: Callable[[RunSpec], bool],
) -> Plan:
    """Plan the jobs of completed specs; equal specs become one run, and adapters with equal keys one adapter.

    Args:
        specs: The specs in the order in which the runs should be done.
        adapters_of: Returns the adapters that a run's method plans; see :meth:`bench.plugin.Recommender.adapters`.
        is_cached: Returns whether an adapter is trained.
        is_stored: Returns whether a run is done.

    Raises:
        BenchError: a method plans an adapter that needs one that it does not plan.
    """
    jobs: dict[str, Job] = {}
    for spec in specs:
        if spec.hash() in jobs:
            continue
        planned = {content_hash(adapter.key()): adapter for adapter in adapters_of(spec)}
        for adapter_id in _needed_first(spec.method, planned):
            adapter = planned[adapter_id]
            is_done = is_cached(adapter)
            jobs.setdefault(adapter_id, AdapterJob(adapter_id, adapter, spec.backbone, adapter.needs, is_done))
        jobs[spec.hash()] = RunJob(spec.hash(), spec, tuple(planned), is_stored(spec))
    return Plan(tuple(jobs.values()))


def _needed_first(method: str, planned: Mapping[str, Planned]) -> list[str]:
    """Return the adapters' ids, each after those it needs."""
    ordered: dict[str, None] = {}

    def add(adapter_id: str) -> None:
        if adapter_id not in planned:
            raise BenchError(f"Method '{method}' plans an adapter that needs {adapter_id}, which is not in its plan.")
        for needed in planned[adapter_id].needs:
            add(needed)
        ordered[adapter_id] = None

    for adapter_id in planned:
        add(adapter_id)
    return list(ordered)


def _in_words(number: int) -> str:
    word = NUMBER_WORDS[number] if number < len(NUMBER_WORDS) else str(number)
    return f"{word} domain" if number == 1 else word


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
