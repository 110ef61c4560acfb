"""A worker's side of a job: the job as plain data, which any executor can send, and its execution."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TextIO

from bench.errors import BenchError
from bench.files.extras import is_installed
from bench.files.folders import Folders
from bench.plugin import LastLoaded
from bench.runs.progress.lines import Lines
from bench.runs.progress.shared import SharedProgress
from bench.spec import RunSpec


@dataclass(frozen=True)
class Resources:
    """The resources of a job on its machine."""

    cpus: int = 1
    """Number of cores, and of threads per library."""
    gpus: int = 0
    """Number of GPUs; 0 uses the CPU."""
    memory_gb: int = 8
    """Memory in gigabytes, for schedulers that require it."""

    @property
    def device(self) -> str:
        """The torch device; executors make only the job's own GPUs visible."""
        return "cuda" if self.gpus else "cpu"


@dataclass(frozen=True)
class WorkItem:
    """An adapter to train or a run to carry out."""

    id: str
    """The job's id in the plan."""
    name: str
    """Name for progress messages."""
    spec: RunSpec
    """The run; for an adapter, a run that needs it."""
    adapter: str | None
    """Id of the adapter to train; None carries out the run."""
    folders: Folders
    resources: Resources
    log: Path
    """File for the job's output."""

    @property
    def progress(self) -> Path:
        """File with the job's progress while it runs."""
        return self.log.with_suffix(".progress.json")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job."""

    id: str
    seconds: float
    """Wall-clock seconds in the worker."""
    error: str | None = None
    """The error in one line; None if the job is done."""


def do(item: WorkItem) -> Outcome:
    """Carry out a job in this process; output goes to its log, and an error is returned as an outcome."""
    began = time.monotonic()
    with _logged(item.log) as log:
        error = None
        try:
            _do(item, log)
        except BenchError as failure:
            error = str(failure)
            _say(log, f"Error: {error}")
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}".splitlines()[0]
            traceback.print_exc(file=log)
        finally:
            item.progress.unlink(missing_ok=True)
    return Outcome(item.id, time.monotonic() - began, error)


def begin_worker(n_threads: int) -> None:
    """Limit the threads of a new process, before it loads libraries that start threads."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(n_threads)


def load_libraries() -> None:
    """Import what every job needs; torch alone takes seconds."""
    import bench.runs.engine  # noqa: F401

    if is_installed("torch"):
        import torch  # noqa: F401


def _do(item: WorkItem, log: TextIO) -> None:
    from bench.runs.engine import run, train_adapter

    progress = SharedProgress(Lines(partial(_say, log)), item.progress)
    if item.adapter is None:
        run(item.spec, item.folders, progress, device=item.resources.device, held=_held())
    else:
        train_adapter(item.spec, item.adapter, item.folders, progress, device=item.resources.device, held=_held())


@cache
def _held() -> LastLoaded:
    """Return the object that keeps models loaded between the jobs of this process."""
    return LastLoaded()


@contextmanager
def _logged(path: Path) -> Iterator[TextIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as log, redirect_stdout(log), redirect_stderr(log):
        yield log


def _say(log: TextIO, line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, file=log)
