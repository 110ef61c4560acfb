"""Kill work at a chosen step or moment, without starting Python each time."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import Any

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["tests.runs.test_faults", "bench.baselines.controls", "bench.lm.training.library"])
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}
"""Python's audit events for changes to a file system."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killer:
    """An audit hook that kills its process before a step in a folder."""

    def __init__(self, folder: Path, step: int) -> None:
        self.folder, self.left = str(folder), step

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and self._counts(event, arguments):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def _counts(self, event: str, arguments: tuple[Any, ...]) -> bool:
        is_inside = str(arguments[0]).startswith(self.folder) or (event != "open" and arguments[-1] not in (-1, None))
        return is_inside and (event != "open" or bool(arguments[2] & WRITES))


def carried_out(work: Callable[..., None], *arguments: Any) -> bool:
    """Do work in a separate process; return whether it succeeded."""
    return _exit_code(work, arguments) == 0


def killed(folder: Path, step: int, work: Callable[..., None], *arguments: Any) -> bool:
    """Do work in a process that is killed before the given step in a folder; return whether it reached that step."""
    code = _exit_code(work, arguments, Killer(folder, step))
    assert code in (0, -signal.SIGKILL)
    return code != 0


def killed_after(seconds: float, work: Callable[..., None], *arguments: Any) -> bool:
    """Do work in a process that is killed after some time; return whether it was still running."""
    process = FORKS.Process(target=_do, args=(work, arguments, None))
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _exit_code(work: Callable[..., None], arguments: tuple[Any, ...], killer: Killer | None = None) -> int | None:
    process = FORKS.Process(target=_do, args=(work, arguments, killer))
    process.start()
    process.join()
    return process.exitcode


def _do(work: Callable[..., None], arguments: tuple[Any, ...], killer: Killer | None) -> None:
    if killer is not None:
        sys.addaudithook(killer)
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):  # noqa: PTH123
        work(*arguments)


def files(folder: Path) -> set[str]:
    """Return the files in a folder and everything else in it with a hidden name."""
    found = (path for path in folder.rglob("*") if path.is_file() or path.name.startswith("."))
    return {str(path.relative_to(folder)) for path in found}
