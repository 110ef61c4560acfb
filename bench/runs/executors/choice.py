"""The user's choice of executor for the jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from bench.errors import BenchError
from bench.runs.executors.job import Resources
from bench.runs.executors.processes import Processes, share_of_machine

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bench.runs.executors.walk import Executor

ExecutorName = Literal["processes", "ray", "slurm"]
EXECUTORS: tuple[ExecutorName, ...] = get_args(ExecutorName)
QUEUE_FILES = "slurm"
"""Subdirectory of the results for submitit's own files."""


@dataclass(frozen=True)
class ExecutorChoice:
    """The executor of jobs, the number of workers, and the resources per job."""

    engine: ExecutorName = "processes"
    n_workers: int = 1
    cpus: int | None = None
    """Cores per job; None: an equal share of this machine, or 1 if jobs run on other machines."""
    gpus: int | None = None
    """GPUs per job; None: one if this machine has any, or none if jobs run on other machines."""
    memory_gb: int = 8
    """Memory per job in gigabytes, for Slurm."""
    ray_address: str | None = None
    """Address of the Ray cluster; None starts one on this machine."""
    slurm_partition: str | None = None
    """Slurm partition; None uses Slurm's default."""

    def __post_init__(self) -> None:
        for option, value, engine in (
            ("--ray-address", self.ray_address, "ray"),
            ("--slurm-partition", self.slurm_partition, "slurm"),
        ):
            if value is not None and self.engine != engine:
                raise BenchError(f"{option} is for --executor {engine}; this is --executor {self.engine}.")

    @property
    def in_this_process(self) -> bool:
        """Whether jobs run sequentially in this process."""
        return self.engine == "processes" and self.n_workers == 1

    @property
    def resources(self) -> Resources:
        """The resources of each job."""
        is_here = self.engine == "processes" or (self.engine == "ray" and self.ray_address is None)
        usual = share_of_machine(self.n_workers) if is_here else Resources()
        cpus, gpus = (self.cpus or usual.cpus), (usual.gpus if self.gpus is None else self.gpus)
        return Resources(cpus, gpus, self.memory_gb)

    def open(self, results_dir: Path) -> AbstractContextManager[Executor]:
        """Return the executor as a context manager.

        Raises:
            BenchError: its package is not installed.
        """
        if self.engine == "ray":
            from bench.runs.executors.ray_cluster import RayCluster

            return RayCluster(self.n_workers, self.resources, self.ray_address)
        if self.engine == "slurm":
            from bench.runs.executors.slurm import SlurmQueue

            folder = results_dir.absolute() / QUEUE_FILES
            return SlurmQueue(self.n_workers, self.resources, folder, partition=self.slurm_partition)
        return Processes(self.n_workers, self.resources)
