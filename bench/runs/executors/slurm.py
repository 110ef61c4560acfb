"""Run jobs on Slurm with submitit: each job of the plan is a Slurm job, and preempted jobs are requeued.

Jobs resume from their checkpoints. ``local`` and ``debug`` are submitit's substitutes for the queue: processes on this
machine, and this process itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from bench.files.extras import require
from bench.runs.executors.job import Outcome, Resources, WorkItem, begin_worker, do

if TYPE_CHECKING:
    from types import TracebackType

Queue = Literal["slurm", "local", "debug"]
LONGEST_MINUTES = 24 * 60
SECONDS_BETWEEN_LOOKS = 1.0


class RequeuedJob:
    """The callable that submitit runs; after preemption or a timeout, the same job is requeued."""

    def __call__(self, item: WorkItem) -> Outcome:
        """Carry the job out."""
        begin_worker(item.resources.cpus)
        return do(item)

    def checkpoint(self, item: WorkItem) -> Any:
        """Return the job to requeue."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, item)


class SlurmQueue:
    """Submits jobs to Slurm."""

    def __init__(
        self,
        n_workers: int,
        resources: Resources,
        folder: Path,
        queue: Queue = "slurm",
        minutes: int = LONGEST_MINUTES,
        partition: str | None = None,
    ) -> None:
        """Prepare a queue that stores its own files in ``folder``, which all nodes must share."""
        self.n_workers, self.queue = n_workers, queue
        self.executor = _submitit().AutoExecutor(folder=folder, cluster=queue)
        self.executor.update_parameters(
            name="bench",
            cpus_per_task=resources.cpus,
            gpus_per_node=resources.gpus,
            mem_gb=resources.memory_gb,
            timeout_min=minutes,
            **({"slurm_partition": partition} if partition else {}),
        )
        self.watchers = ThreadPoolExecutor(n_workers, thread_name_prefix="queue")
        self.jobs: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is not None:
            for job in self.jobs:
                job.cancel(check=False)
        self.watchers.shutdown(wait=True)

    def begin(self, items: Sequence[WorkItem]) -> list[Future[Outcome]]:
        """Queue jobs, as one array."""
        with self.executor.batch():
            jobs = [self.executor.submit(RequeuedJob(), item) for item in items]
        self.jobs += jobs
        return [self.watchers.submit(_result, job) for job in jobs]


def _result(job: Any) -> Outcome:
    while not job.done():
        time.sleep(SECONDS_BETWEEN_LOOKS)
    outcome: Outcome = job.result()
    return outcome


def _submitit() -> Any:
    require("--executor slurm", "slurm")
    import submitit

    return submitit
