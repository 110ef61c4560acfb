"""Keep freed memory in the process, because training steps allocate the same large blocks again and again."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of two settings in glibc's ``malloc.h``."""
LARGEST = 2**31 - 1


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
