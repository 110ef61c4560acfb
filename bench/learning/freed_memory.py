"""Keep freed memory in the process, because training steps allocate the same large blocks again and again."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of two settings in glibc's ``malloc.h``."""
LARGEST = 2**31 - 1
MOST_GROWTH = 2
"""Multiple of a step's memory to which the process may grow before what it has kept is returned."""
LEAST_GROWTH = 1.25
"""The same if it then has more than :data:`SHARE_OF_MACHINE`."""
SHARE_OF_MACHINE = 0.5
"""Fraction of the machine's memory that the process may have without having to return what it has kept."""
LEAST_STEPS = 5
"""Steps between two returns, each of which makes the next step as slow as if nothing were kept."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory; return whether it does, which needs Linux with glibc.

    By default, each block over 32 MB is newly mapped and its pages are zeroed on first access, which takes a sixth of
    the time of a step that trains an encoder's adapter.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, LARGEST))


def return_freed_memory() -> None:
    """Return the memory that :func:`keep_freed_memory` has kept to the system; it takes a few tenths of a second.

    What is kept grows while blocks of ever different sizes are allocated between others: to ten times of what is in use
    over the hundreds of steps that an adapter takes.
    """
    if keep_freed_memory():
        ctypes.CDLL(None).malloc_trim(0)


class KeptMemory:
    """Limit the memory of a training whose steps allocate blocks of ever different sizes."""

    def __init__(self) -> None:
        self._n_steps, self._needed_bytes = 0, 0

    def give_back(self) -> None:
        """Return what is kept; the next step shows again how much is needed."""
        return_freed_memory()
        self._n_steps, self._needed_bytes = 0, 0

    def after_step(self) -> None:
        """Return what is kept if the process has grown too far beyond what it had after the first step."""
        if not keep_freed_memory():
            return
        found, self._n_steps = _resident_bytes(), self._n_steps + 1
        if self._n_steps == 1:
            self._needed_bytes = found
        elif self._n_steps >= LEAST_STEPS and found > most_bytes(self._needed_bytes, memory_of_machine()):
            self.give_back()


def most_bytes(needed: int, of_machine: int) -> float:
    """Return the memory that a process may have whose first step needed ``needed`` bytes."""
    return max(LEAST_GROWTH * needed, min(MOST_GROWTH * needed, SHARE_OF_MACHINE * of_machine))


def memory_of_machine() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _resident_bytes() -> int:
    """Return the memory of this process, on Linux."""
    n_pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return n_pages * os.sysconf("SC_PAGE_SIZE")
