"""Run jobs on a Ray cluster: an existing one, or one on this machine that is started for the jobs and then stopped.

A cluster started here listens on the loopback address and has no dashboard, because anyone who can reach Ray's ports
can run any code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from bench.files.extras import require
from bench.runs.executors.job import Outcome, Resources, WorkItem, begin_worker, do

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

RETRIES = 3
"""How often Ray restarts a job whose worker or node vanished."""
LOOPBACK = "127.0.0.2"
"""Loopback address on Linux; Ray replaces 127.0.0.1 with the address by which others reach this machine."""


class RayCluster:
    """Submits jobs to the cluster at ``address``, or to one that is started for the first of them if it is None."""

    def __init__(self, n_workers: int, resources: Resources, address: str | None = None) -> None:
        self.ray = _ray()
        self.n_workers, self.resources, self.address = n_workers, resources, address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.ray.shutdown()

    def begin(self, items: Sequence[WorkItem]) -> list[Future[Outcome]]:
        """Begin jobs."""
        remote = self._remote
        return [remote.remote(item).future() for item in items]

    @cached_property
    def _remote(self) -> Any:
        """Connect to the cluster or start one, and return the function that carries out a job there."""
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        resources = self.resources
        if self.address is None:
            n_gpus = {"num_gpus": self.n_workers * resources.gpus} if resources.gpus else {}
            cpus = self.n_workers * resources.cpus
            # "local": a cluster of someone else on this machine is not joined
            of_its_own = {"address": "local", "include_dashboard": False, "_node_ip_address": LOOPBACK}
            self.ray.init(**of_its_own, num_cpus=cpus, **n_gpus, **quiet)
        else:
            self.ray.init(address=self.address, **quiet)
        settings = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_retries": RETRIES}
        return self.ray.remote(**settings)(_do_in_its_share)


def _do_in_its_share(item: WorkItem) -> Outcome:
    begin_worker(item.resources.cpus)
    return do(item)


def _ray() -> Any:
    require("--executor ray", "ray")
    import ray

    return ray
