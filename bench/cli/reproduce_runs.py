"""The runs of ``bench reproduce``: one after the other in this process, or handed out to workers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.progress import Ended, Jobs, Note, tell

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.files.folders import Folders
    from bench.progress import Progress
    from bench.runs.estimate import PlanEstimate
    from bench.runs.executors.choice import ExecutorChoice
    from bench.runs.executors.walk import Executor
    from bench.runs.plan import Plan
    from bench.runs.store import RunStore


def execute_missing(
    experiments: Sequence[Experiment],
    folders: Folders,
    dry_run: bool,
    device: str,
    choice: ExecutorChoice,
    progress: Progress,
    track: str | None,
) -> list[str]:
    """Execute the runs that are not stored, or return their commands.

    Args:
        experiments: Their rows and columns name the runs; what several of them need is executed once.
        folders: Where data are read, and artifacts and runs stored.
        dry_run: Only return the commands of the missing runs.
        device: Torch device of runs in this process, or ``auto``.
        choice: How many workers execute the runs, and where.
        progress: Is told of each run.
        track: Tracker that each run is sent to as it ends; None for none.

    Raises:
        BenchError: a run cannot be planned or has failed; those that ended before are stored.
    """
    from bench.experiments.complete import complete_experiment
    from bench.runs.earlier_runs import announced
    from bench.runs.environment import chosen_device
    from bench.runs.plan import plan_of
    from bench.runs.store import RunStore
    from bench.runs.tasks import Tasks

    store = RunStore(folders.results_dir)
    tasks = Tasks(folders, progress)
    with ExitStack() as opened:
        executor = None
        if not (dry_run or choice.in_this_process):  # before the planning, during which workers load libraries
            executor = opened.enter_context(choice.open(folders.results_dir))
        completed = [one for experiment in experiments for one in complete_experiment(experiment)]
        # only runs that will be executed may read data: a table of stored runs is built without any
        plan = plan_of(
            [spec for _, spec in completed],
            folders,
            progress,
            reads_data=lambda spec: not dry_run and not store.exists(spec.hash()),
            tasks=tasks,
        )
        names = ", ".join(experiment.file_name for experiment in experiments)
        tell(progress, Note(f"{names}: {plan.summary()}"))
        if dry_run:
            commands = {spec.hash(): request.command() for request, spec in completed}
            return [commands[job.id] for job in plan.runs if not job.is_done]
        estimate = announced(plan, tasks, chosen_device(device), choice.n_workers)
        del tasks  # it keeps all datasets in memory, and each run reads its own
        ended = partial(_send, track=track, store=store) if track else _leave
        if executor is None:
            _one_by_one(plan, folders, chosen_device(device), progress, estimate, ended)
        else:
            _hand_out(plan, executor, folders, choice, progress, estimate, ended)
    return []


def _leave(run_id: str) -> None:
    """Send a run nowhere."""


def _send(run_id: str, track: str, store: RunStore) -> None:
    from bench.report.trackers.tracked import send

    with redirect_stdout(sys.stderr):  # some trackers print
        send(store.derived(store.load(run_id)), track, store.results_dir)


def _one_by_one(
    plan: Plan,
    folders: Folders,
    device: str,
    progress: Progress,
    estimate: PlanEstimate,
    ended: Callable[[str], None],
) -> None:
    """Execute the missing runs in this process."""
    from bench.plugin import LastLoaded
    from bench.runs.engine import run
    from bench.runs.estimate import pace, seconds_with
    from bench.runs.executors.walk import run_name
    from bench.runs.progress.phases import expected_of_job

    missing = [job for job in plan.runs if not job.is_done]
    to_do = list(plan.to_do())
    taken = expected = 0.0
    with LastLoaded() as held:
        for number, job in enumerate(missing):
            left = seconds_with(1, to_do, estimate.jobs)
            progress.tell(Jobs(number, len(missing), left * pace(taken, expected) or None))
            hook, began = progress.part(job.id, run_name(job)), time.monotonic()
            hook.tell(expected_of_job(plan, job.id, estimate))
            run(job.spec, folders, hook, device=device, held=held)
            seconds = time.monotonic() - began
            hook.tell(Ended(f"[{number + 1}/{len(missing)}] {run_name(job)}: done in {seconds:.1f} s"))
            ended(job.id)
            to_do = [one for one in to_do if one.id not in (job.id, *job.needs)]
            of_job = left - seconds_with(1, to_do, estimate.jobs)
            if of_job > 0:  # else there is no estimate to compare with
                taken, expected = taken + seconds, expected + of_job


def _hand_out(
    plan: Plan,
    executor: Executor,
    folders: Folders,
    choice: ExecutorChoice,
    progress: Progress,
    estimate: PlanEstimate,
    ended: Callable[[str], None],
) -> None:
    """Let workers execute the missing jobs; raise BenchError if some of them fail."""
    from bench.runs.executors.walk import carry_out, failures

    runs = {job.id for job in plan.runs}
    outcomes = []
    for outcome in carry_out(plan, executor, folders.absolute(), choice.resources, progress, estimate):
        outcomes.append(outcome)
        if outcome.error is None and outcome.id in runs:
            ended(outcome.id)
    failed = failures(outcomes)
    if failed:
        first, error = next(iter(failed.items()))
        raise BenchError(
            f"{len(failed)} of {len(outcomes)} jobs failed, the first of them {first}: {error} The results of the "
            "others are stored; repeat the command to try again."
        )
