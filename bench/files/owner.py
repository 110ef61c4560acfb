"""Identify the process that owns a file or directory, and whether it is still running."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MACHINE_DIGITS = 8


@dataclass(frozen=True)
class Owner:
    """A process, written as ``<pid>-<machine>``."""

    pid: int
    machine: str
    """Eight hex digits that distinguish machines, their boots, and containers, which use the same process numbers."""

    @classmethod
    def this_process(cls) -> Owner:
        """Return the current process."""
        return cls(os.getpid(), _this_machine())

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Parse the output of ``str``; return None for anything else."""
        pid, _, machine = text.partition("-")
        is_owner = pid.isdecimal() and len(machine) == MACHINE_DIGITS
        return cls(int(pid), machine) if is_owner else None

    @property
    def is_here(self) -> bool:
        """Whether it belongs to this machine, so that its state can be determined."""
        return self.machine == _this_machine()

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have ended; always false for other machines."""
        return self.is_here and not _is_running(self.pid)

    def __str__(self) -> str:
        return f"{self.pid}-{self.machine}"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # an ended process keeps its number until its parent collects it
    return _contents(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] != ["Z"]


@cache
def _this_machine() -> str:
    names = Path("/proc/self/ns/pid")
    facts = (
        socket.gethostname(),
        _contents("/proc/sys/kernel/random/boot_id"),
        str(names.readlink()) if names.is_symlink() else "",
    )
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:MACHINE_DIGITS]


def _contents(path: str) -> str:
    """Return a file's text, or an empty text on systems without the file."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
