"""Execute a plan: submit each job to an executor when its dependencies are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.progress import Ended, Jobs, Progress, ProgressHook
from bench.runs.estimate import PlanEstimate, pace, seconds_with
from bench.runs.executors.job import Outcome, Resources, WorkItem
from bench.runs.plan import Job, Plan, RunJob
from bench.runs.progress.lines import as_progress
from bench.runs.progress.phases import expected_of_job
from bench.runs.progress.shared import Follower

if TYPE_CHECKING:
    from bench.files.folders import Folders

SECONDS_BETWEEN_LOOKS = 0.5
LOGS = "logs"
"""Subdirectory of the results with one log per job."""


class Executor(Protocol):
    """An executor of jobs."""

    n_workers: int
    """Maximum number of jobs at a time."""

    def begin(self, items: Sequence[WorkItem]) -> list[Future[Outcome]]:
        """Start jobs that do not depend on each other."""


def carry_out(
    plan: Plan,
    executor: Executor,
    folders: Folders,
    resources: Resources,
    progress: ProgressHook,
    estimate: PlanEstimate | None = None,
) -> Iterator[Outcome]:
    """Carry out the unfinished jobs of a plan, and yield the outcome of each as it ends.

    If a job fails, the jobs that need it are not started, and their outcomes say so.

    Args:
        plan: Jobs, each after its dependencies.
        executor: Runs the jobs.
        folders: Where all workers read and write.
        resources: The resources of each job.
        progress: Is told of each job what its worker tells, and when it ends.
        estimate: How long the jobs are expected to take; None if that is not known.
    """
    shown = as_progress(progress)
    items = {job.id: _item(plan, job, folders, resources) for job in plan.to_do()}
    needs = {job.id: set(job.needs) & items.keys() for job in plan.to_do()}
    estimate = estimate or PlanEstimate({}, (), executor.n_workers, 0.0)
    yield from _Walk(executor, shown, plan, estimate, items, needs).outcomes()


def failures(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the errors of failed jobs by id."""
    return {outcome.id: outcome.error for outcome in outcomes if outcome.error is not None}


@dataclass
class _Walk:
    """The state of the execution of a plan."""

    executor: Executor
    progress: Progress
    plan: Plan
    estimate: PlanEstimate
    items: Mapping[str, WorkItem]
    waits_for: dict[str, set[str]]
    """Unfinished dependencies of each job that has not started."""
    running: dict[Future[Outcome], WorkItem] = field(default_factory=dict)
    followers: dict[str, Follower] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    taken_seconds: float = 0.0
    """Sum over the ended jobs that were estimated."""
    expected_seconds: float = 0.0
    """Sum of their estimates."""

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcome of each job as it ends."""
        self._tell_jobs()
        self._begin()
        while self.running:
            ended, _ = wait(self.running, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            for follower in self.followers.values():
                follower.look()
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
            hook = self.progress.part(item.id, item.name)
            hook.tell(expected_of_job(self.plan, item.id, self.estimate))
            hook("waiting for a worker")
            self.followers[item.id] = Follower(item.progress, hook)
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
        self.ended.add(outcome.id)
        if outcome.error is None and outcome.id in self.estimate.jobs:
            self.taken_seconds += outcome.seconds
            self.expected_seconds += self.estimate.jobs[outcome.id].seconds
        item = self.items[outcome.id]
        end = f"done in {outcome.seconds:.1f} s" if outcome.error is None else f"FAILED: {outcome.error} ({item.log})"
        line = f"[{len(self.ended)}/{len(self.items)}] {item.name}: {end}"
        follower = self.followers.pop(outcome.id, None)
        hook = self.progress if follower is None else follower.hook
        hook.tell(Ended(line))
        self._tell_jobs()
        return outcome

    def _tell_jobs(self) -> None:
        left = [job for job in self.plan.to_do() if job.id not in self.ended]
        seconds = seconds_with(self.executor.n_workers, left, self.estimate.jobs)
        seconds *= pace(self.taken_seconds, self.expected_seconds)
        self.progress.tell(Jobs(len(self.ended), len(self.items), seconds or None))


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
