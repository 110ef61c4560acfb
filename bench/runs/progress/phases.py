"""The phases of a run, and how long they are expected to take."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from bench.progress import Expected, Phases
from bench.runs.plan import AdapterJob

if TYPE_CHECKING:
    from bench.plugin import Recommender, Task
    from bench.runs.estimate import PlanEstimate
    from bench.runs.plan import Plan

PREPARE, FIT, ADAPTER, SCORE = "prepare", "fit", "adapter", "score"
"""Names of phases; a method may tell of others between adapters and scoring."""


def phases_of(recommender: Recommender, task: Task) -> Phases:
    """Return the phases of a run: one per adapter that has to be trained, or ``fit`` if the method plans none."""
    if not recommender.plans_adapters():
        return Phases((PREPARE, FIT, *recommender.stages, SCORE))
    store = task.artifacts
    n_missing = sum(not store.reuses(one.kind, one.key()) for one in recommender.adapters(task))
    return Phases((PREPARE, *[ADAPTER] * n_missing, *recommender.stages, SCORE))


def expected_of_job(plan: Plan, job_id: str, estimate: PlanEstimate) -> Expected:
    """Return how long the phases of a planned run or adapter are expected to take, from the estimate of its plan."""
    known = estimate.jobs
    job = next(one for one in plan.jobs if one.id == job_id)
    if isinstance(job, AdapterJob):
        return Expected({ADAPTER: known[job_id].seconds} if job_id in known else {})
    adapters = [known[one.id].seconds for one in plan.adapters if one.id in job.needs and one.id in known]
    seconds = dict(known[job_id].phases) if job_id in known else {}
    if adapters:
        seconds[ADAPTER] = mean(adapters)
    if job.needs:  # between adapters, the backbone is loaded
        seconds[PREPARE] = seconds.get(PREPARE, 0.0) + seconds.pop(FIT, 0.0)
    return Expected(seconds)
