"""Execute a plan: submit each job to an executor when its dependencies are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.plugin import ProgressHook
from bench.runs.executors.job import Outcome, Resources, WorkItem, last_line
from bench.runs.plan import Job, Plan, RunJob

if TYPE_CHECKING:
    from bench.files.folders import Folders

SECONDS_BETWEEN_REPORTS = 10.0
LOGS = "logs"
"""Subdirectory of the results with one log per job."""


class Executor(Protocol):
    """An executor of jobs."""

    n_workers: int
    """Maximum number of jobs at a time."""

    def begin(self, items: Sequence[WorkItem]) -> list[Future[Outcome]]:
        """Start jobs that do not depend on each other."""


def carry_out(
    plan: Plan, executor: Executor, folders: Folders, resources: Resources, progress: ProgressHook
) -> list[Outcome]:
    """Carry out the unfinished jobs of a plan and return their outcomes in the order in which they ended.

    If a job fails, the jobs that need it are not started, and their outcomes say so.

    Args:
        plan: Jobs, each after its dependencies.
        executor: Runs the jobs.
        folders: Where all workers read and write.
        resources: The resources of each job.
        progress: Called for each job that ends, and every ten seconds for running jobs.
    """
    items = {job.id: _item(plan, job, folders, resources) for job in plan.to_do()}
    walk = _Walk(executor, progress, items, {job.id: set(job.needs) & items.keys() for job in plan.to_do()})
    return list(walk.outcomes())


def failures(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the errors of failed jobs by id."""
    return {outcome.id: outcome.error for outcome in outcomes if outcome.error is not None}


@dataclass
class _Walk:
    """The state of the execution of a plan."""

    executor: Executor
    progress: ProgressHook
    items: Mapping[str, WorkItem]
    waits_for: dict[str, set[str]]
    """Unfinished dependencies of each job that has not started."""
    running: dict[Future[Outcome], WorkItem] = field(default_factory=dict)
    n_ended: int = 0

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcome of each job as it ends."""
        self._begin()
        while self.running:
            ended, _ = wait(self.running, SECONDS_BETWEEN_REPORTS, FIRST_COMPLETED)
            if not ended:
                self._report()
            for future in ended:
                outcome = _outcome(future, self.running.pop(future))
                yield self._told(outcome)
                yield from self._settled(outcome)
            self._begin()

    def _begin(self) -> None:
        """Submit jobs without unfinished dependencies, in the plan's order, one per free worker."""
        ready = [job for job, needs in self.waits_for.items() if not needs]
        items = [self.items[job] for job in ready[: self.executor.n_workers - len(self.running)]]
        for item in items:
            del self.waits_for[item.id]
        if not items:
            return
        self.running |= dict(zip(self.executor.begin(items), items, strict=True))

    def _settled(self, outcome: Outcome) -> Iterator[Outcome]:
        """Unblock the jobs that waited for a job, or end them if it failed."""
        for job in [job for job, needs in self.waits_for.items() if outcome.id in needs]:
            if outcome.error is None:
                self.waits_for[job].discard(outcome.id)
            elif job in self.waits_for:
                del self.waits_for[job]
                failed = Outcome(job, 0.0, f"not started, because {self.items[outcome.id].name} failed")
                yield self._told(failed)
                yield from self._settled(failed)

    def _told(self, outcome: Outcome) -> Outcome:
        self.n_ended += 1
        item = self.items[outcome.id]
        end = f"done in {outcome.seconds:.1f} s" if outcome.error is None else f"FAILED: {outcome.error} ({item.log})"
        self.progress(f"[{self.n_ended}/{len(self.items)}] {item.name}: {end}")
        return outcome

    def _report(self) -> None:
        for item in self.running.values():
            self.progress(f"  {item.name}: {last_line(item.log) or 'waiting for a worker'}")


def _outcome(future: Future[Outcome], item: WorkItem) -> Outcome:
    """Return a future's outcome, also if its worker vanished."""
    error = future.exception()
    return future.result() if error is None else Outcome(item.id, 0.0, f"its worker vanished ({error})")


def _item(plan: Plan, job: Job, folders: Folders, resources: Resources) -> WorkItem:
    if isinstance(job, RunJob):
        spec, adapter, name = job.spec, None, run_name(job)
    else:
        spec = next(run for run in plan.needed_by[job.id] if not run.is_done).spec
        adapter, name = job.id, f"adapter {' + '.join(job.adapter.names)} ({job.id})"
    return WorkItem(job.id, name, spec, adapter, folders, resources, log_of(folders.results_dir, job.id))


def run_name(job: RunJob) -> str:
    """Return the name of a run for progress messages."""
    protocol = job.spec.protocol
    return f"{job.spec.method} on {protocol.dataset} {protocol.setting}, seed {job.spec.seed} ({job.id})"


def log_of(results_dir: Path, job_id: str) -> Path:
    """Return the log file of a job."""
    return results_dir / LOGS / f"{job_id}.log"
