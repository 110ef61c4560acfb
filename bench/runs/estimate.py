"""Expected time, memory and disk space of planned jobs, from the records of earlier runs.

A job takes as long as the same work took before, scaled by the number of interactions it trains on and of queries it
scores. The seconds are those of the machines that made the records: the estimate is a guide for planning, not a bound.
While jobs are carried out, the remaining time is scaled by how long those that have ended took.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.progress import duration
from bench.runs.plan import AdapterJob, Job, RunJob

if TYPE_CHECKING:
    from bench.plugin.fit_report import AdapterReport
    from bench.runs.plan import Plan
    from bench.runs.record import RunRecord
    from bench.spec import RunSpec

BYTES_A_WEIGHT = 4
BYTES_A_QUERY = 20
"""Size of a stored run per query, with its ranks and the items ranked first."""
GIGABYTE, MEGABYTE = 1e9, 1e6
TRUSTED_SECONDS = 30.0
"""Time for which earlier runs are trusted as if jobs had taken it here, so that short jobs decide little."""

Sizes = Callable[[str], int | None]
"""Returns the number of interactions of a dataset, or None if it is not known."""


@dataclass(frozen=True)
class Estimate:
    """What one job is expected to need."""

    seconds: float
    memory_bytes: int
    """Peak memory of the process."""
    disk_bytes: int
    """Size of what the job stores."""
    n_records: int
    """Number of earlier runs that this is the median of."""
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds of a run's phases: ``prepare``, ``fit`` without adapters, and ``score``."""


@dataclass(frozen=True)
class PlanEstimate:
    """What the jobs of a plan that are still to do are expected to need."""

    jobs: Mapping[str, Estimate]
    """Estimate of each job by its id, in the plan's order; jobs without an earlier run are missing."""
    unknown: tuple[str, ...]
    """Ids of jobs to do without an earlier run to estimate them from."""
    n_workers: int
    seconds: float
    """Time until all estimated jobs are done by that many workers, each as fast as the earlier runs."""

    @property
    def total_seconds(self) -> float:
        """Sum over the jobs: the time that one worker takes."""
        return sum(one.seconds for one in self.jobs.values())

    def summary(self) -> str:
        """Return the estimate in one line."""
        if not self.jobs:
            return "no estimate: there are no earlier runs of these methods" if self.unknown else "nothing to do"
        memory = max(one.memory_bytes for one in self.jobs.values()) / GIGABYTE
        disk = sum(one.disk_bytes for one in self.jobs.values()) / MEGABYTE
        parts = [f"about {duration(self.total_seconds)} in total"]
        if self.n_workers > 1:
            parts.append(f"{duration(self.seconds)} with {self.n_workers} workers")
        parts += [f"up to {memory:.1f} GB of memory per job", f"{disk:,.0f} MB on disk"]
        text = ", ".join(parts)
        if self.unknown:
            text += f"; {len(self.unknown):,} of {len(self.jobs) + len(self.unknown):,} jobs have no earlier run"
        return text

    def to_json(self) -> dict[str, Any]:
        """Return the totals, and the estimate of each job by its id."""
        return {
            "total_seconds": round(self.total_seconds, 1),
            "workers": self.n_workers,
            "seconds": round(self.seconds, 1),
            "jobs": {
                job_id: {
                    "seconds": round(one.seconds, 1),
                    "memory_bytes": one.memory_bytes,
                    "disk_bytes": one.disk_bytes,
                    "n_records": one.n_records,
                }
                for job_id, one in self.jobs.items()
            },
            "unknown": list(self.unknown),
        }


def estimate_plan(plan: Plan, records: Sequence[RunRecord], sizes: Sizes, n_workers: int = 1) -> PlanEstimate:
    """Estimate the jobs of a plan that are to do.

    Args:
        plan: The plan.
        records: Earlier runs, preferably on the device that will be used.
        sizes: Number of interactions of a dataset.
        n_workers: Number of jobs that run at a time.
    """
    jobs = plan.to_do()
    found = {job.id: _estimate(job, records, sizes) for job in jobs}
    known = {job_id: one for job_id, one in found.items() if one is not None}
    return PlanEstimate(
        known,
        tuple(job_id for job_id, one in found.items() if one is None),
        n_workers,
        seconds_with(n_workers, jobs, known),
    )


def _estimate(job: Job, records: Sequence[RunRecord], sizes: Sizes) -> Estimate | None:
    return _of_run(job, records, sizes) if isinstance(job, RunJob) else _of_adapter(job, records, sizes)


def _of_run(job: RunJob, records: Sequence[RunRecord], sizes: Sizes) -> Estimate | None:
    """Estimate a run whose adapters are trained already."""
    spec = job.spec
    alike = [one for one in records if (one.spec.method, one.spec.backbone) == (spec.method, spec.backbone)]
    alike = [one for one in alike if one.spec.protocol == spec.protocol] or alike
    alike = [one for one in alike if _model_params(one.spec) == _model_params(spec)] or alike
    if not alike:
        return None
    counts = [_n_queries(one, spec, sizes) for one in alike]
    phases = [_seconds_of_run(one, spec, count, sizes) for one, count in zip(alike, counts, strict=True)]
    return Estimate(
        seconds=median(sum(one.values()) for one in phases),
        memory_bytes=round(median(max(one.peak_memory_bytes.values(), default=0) for one in alike)),
        disk_bytes=round(median(counts) * BYTES_A_QUERY),
        n_records=len(alike),
        phases={name: median(one[name] for one in phases) for name in phases[0]},
    )


def _n_queries(record: RunRecord, spec: RunSpec, sizes: Sizes) -> float:
    """Return how many queries are expected: as many per interaction of the dataset as an earlier run had."""
    n_queries = record.n_queries * _growth([record.spec.protocol.dataset], [spec.protocol.dataset], sizes)
    return n_queries if spec.limit_queries is None else min(n_queries, spec.limit_queries)


def _seconds_of_run(record: RunRecord, spec: RunSpec, n_queries: float, sizes: Sizes) -> dict[str, float]:
    """Scale the phases of an earlier run, without the adapters that it may have trained itself."""
    seconds = record.seconds
    of_adapters = sum(one.seconds for one in record.fit.adapters.values())
    fit = seconds.get("fit", 0.0)
    fit -= of_adapters if fit >= of_adapters else 0.0
    learned = _share_learned(spec) / _share_learned(record.spec)
    growth = (
        learned
        * _share_of_epochs(record, spec)
        * _growth([record.spec.protocol.dataset], [spec.protocol.dataset], sizes)
    )
    return {
        "prepare": seconds.get("prepare", 0.0),
        "fit": fit * growth,
        "score": seconds.get("score", 0.0) * n_queries / record.n_queries,
    }


def _model_params(spec: RunSpec) -> dict[str, Any]:
    """Return the hyperparameters other than the number of epochs, by which the time is scaled."""
    return {name: value for name, value in spec.params.items() if name != "epochs"}


def _share_of_epochs(record: RunRecord, spec: RunSpec) -> float:
    """Return how many times as many epochs are expected as an earlier run took, if at most ``epochs`` are allowed.

    If the earlier run stopped before its own limit, a higher one changes nothing.
    """
    before, now = (one.params.get("epochs") for one in (record.spec, spec))
    taken = record.fit.training.epochs if record.fit.training else None
    if not (taken and isinstance(before, int | float) and isinstance(now, int | float)):
        return 1.0
    return now / taken if taken >= before else min(1.0, now / taken)


def _share_learned(spec: RunSpec) -> float:
    return spec.train_share or 1.0


def _of_adapter(job: AdapterJob, records: Sequence[RunRecord], sizes: Sizes) -> Estimate | None:
    reports = {
        one.id: (one, record)
        for record in records
        if record.spec.backbone == job.backbone
        for one in record.fit.adapters.values()
        if one.trained
    }
    same_domains = [pair for pair in reports.values() if set(_domains(*pair)) == set(job.adapter.names)]
    alike = same_domains or list(reports.values())
    if not alike:
        return None
    return Estimate(
        seconds=median(_seconds_of_adapter(job, one, record, sizes) for one, record in alike),
        memory_bytes=_memory_to_train({one.id for one, _ in alike}, records),
        disk_bytes=round(median(record.fit.trained_parameters or 0 for _, record in alike) * BYTES_A_WEIGHT),
        n_records=len(alike),
    )


def _memory_to_train(adapters: Collection[str], records: Sequence[RunRecord]) -> int:
    """Return the median peak memory of runs that trained such an adapter, or else of those that only loaded one."""
    peaks: dict[bool, list[int]] = {True: [], False: []}
    for record in records:
        used = [one for one in record.fit.adapters.values() if one.id in adapters]
        if used:
            has_trained = record.seconds.get("fit", 0.0) >= sum(one.seconds for one in used)
            peaks[has_trained].append(record.peak_memory_bytes.get("fit", 0))
    return round(median(peaks[True] or peaks[False]))


def _seconds_of_adapter(job: AdapterJob, report: AdapterReport, record: RunRecord, sizes: Sizes) -> float:
    """Scale the seconds of an earlier training by the interactions; its examples are at most those that are allowed."""
    grown = report.seconds * _growth(_domains(report, record), job.adapter.names, sizes)
    allowed = job.adapter.max_examples
    return min(grown, allowed * report.seconds / report.n_examples) if allowed and report.n_examples else grown


def _domains(report: AdapterReport, record: RunRecord) -> Sequence[str]:
    return report.domains or (record.spec.protocol.dataset,)


def _growth(before: Iterable[str], now: Iterable[str], sizes: Sizes) -> float:
    """Return how many times as many interactions there are now; 1 if that is not known."""
    earlier, later = ([sizes(name) for name in names] for names in (before, now))
    if None in (*earlier, *later):
        return 1.0
    return sum(filter(None, later)) / max(1, sum(filter(None, earlier)))


def pace(seconds: float, expected_seconds: float) -> float:
    """Return how many times as long as expected the jobs to come will take, from how long the ended ones took."""
    return (seconds + TRUSTED_SECONDS) / (expected_seconds + TRUSTED_SECONDS)


def seconds_with(n_workers: int, jobs: Sequence[Job], known: Mapping[str, Estimate]) -> float:
    """Return when the last job is done if each free worker takes the first job whose needs are met."""
    done_at: dict[str, float] = {}
    free_at = [0.0] * n_workers
    for job in jobs:  # each comes after all that it needs
        seconds = known[job.id].seconds if job.id in known else 0.0
        ready_at = max((done_at.get(needed, 0.0) for needed in job.needs), default=0.0)
        done_at[job.id] = max(heapq.heappop(free_at), ready_at) + seconds
        heapq.heappush(free_at, done_at[job.id])
    return max(done_at.values(), default=0.0)
