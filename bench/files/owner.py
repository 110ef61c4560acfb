"""Which process something on disk belongs to, and whether that process still runs."""

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
    """A process, written ``<pid>-<machine>``."""

    pid: int
    machine: str
    """Eight hex digits that tell apart machines, their starts, and containers, which number their processes alike."""

    @classmethod
    def this_process(cls) -> Owner:
        """Return the process that asks."""
        return cls(os.getpid(), _this_machine())

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Read what ``str`` wrote; None for anything else."""
        pid, _, machine = text.partition("-")
        is_owner = pid.isdecimal() and len(machine) == MACHINE_DIGITS
        return cls(int(pid), machine) if is_owner else None

    @property
    def is_here(self) -> bool:
        """Whether it belongs to this machine, so that it can be known whether it runs."""
        return self.machine == _this_machine()

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have ended; never known of another machine's."""
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
    # one that has ended keeps its number until its parent asks for it
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
    """Return a file's text; empty on systems that lack it."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
