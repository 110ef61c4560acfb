"""Records of earlier runs to estimate new ones from: the user's own, and the shipped ones of methods without any."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from bench.data.counts import kept_statistics
from bench.data.locate import is_at_hand
from bench.data.prepare import card_of, load_domain, prepared_hash
from bench.errors import BenchError
from bench.files.shipped import shipped_folder
from bench.progress import Note, tell
from bench.runs.estimate import estimate_plan
from bench.runs.store import RunStore

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.runs.estimate import PlanEstimate, Sizes
    from bench.runs.plan import Plan
    from bench.runs.record import RunRecord
    from bench.runs.tasks import Tasks

WORTH_SAYING_SECONDS = 60


def estimated(plan: Plan, tasks: Tasks, device: str, n_workers: int = 1) -> PlanEstimate:
    """Estimate a plan from the earlier runs on this kind of device."""
    records = earlier_records(tasks.folders, device) if plan.to_do() else []
    return estimate_plan(plan, records, interactions_of(plan, tasks), n_workers)


def announced(plan: Plan, tasks: Tasks, device: str, n_workers: int = 1) -> PlanEstimate:
    """Return and report the estimate of a plan before it is carried out, if it takes over a minute."""
    expected = estimated(plan, tasks, device, n_workers)
    if expected.seconds > WORTH_SAYING_SECONDS:
        tell(tasks.progress, Note(f"estimate from earlier runs: {expected.summary()}"))
    return expected


def earlier_records(folders: Folders, device: str) -> list[RunRecord]:
    """Return the records of runs on this kind of device (``cpu`` or ``cuda``)."""
    own, shipped = (_on(device, RunStore(place)) for place in (folders.results_dir, shipped_folder("measured")))
    known = {(record.spec.method, record.spec.backbone) for record in own}
    return own + [record for record in shipped if (record.spec.method, record.spec.backbone) not in known]


def interactions_of(plan: Plan, tasks: Tasks) -> Sizes:
    """Return a function that gives the number of interactions of a dataset, or None if it is not known.

    Only the plan's own datasets are prepared for it, which their runs need anyway.
    """
    planned = {name for job in plan.runs for name in (job.spec.protocol.dataset, *job.spec.sources)}
    folders = tasks.folders

    @cache
    def size(name: str) -> int | None:
        try:
            kept = kept_statistics(name, shipped_folder("measured"))
            if kept is not None:
                return int(kept["interactions"])
            if name in planned:
                is_here = is_at_hand(card_of(name, folders.data_dir), folders.data_dir, folders.cache_dir)
                return tasks.domain(name).n_interactions if is_here else None
            if prepared_hash(name, folders.data_dir, folders.cache_dir):  # silently: it is not what the user asked for
                return load_domain(name, folders.data_dir, folders.cache_dir).n_interactions
        except BenchError:  # an estimate must not fail because of data that the runs may not even need
            return None
        return None

    return size


def _on(device: str, store: RunStore) -> list[RunRecord]:
    return [record for record in store.records() if record.device.partition(":")[0] == device.partition(":")[0]]
