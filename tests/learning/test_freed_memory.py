"""Freed memory that a training keeps."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.learning.freed_memory import most_bytes

BLOCKS = """
import ctypes, resource
from bench.learning.freed_memory import keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def touch() -> int:
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

first = touch()
mapped_anew = touch() - first
kept = keep_freed_memory()
first = touch()
print(mapped_anew, touch() - first, kept)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has the setting")
def test_a_large_block_is_not_mapped_anew_once_freed_memory_is_kept() -> None:
    printed = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True).stdout.split()
    if printed[2] != "True":
        pytest.skip("this C library is not glibc")
    n_pages = (64 << 20) // 4096
    assert int(printed[0]) > n_pages / 600  # huge pages of 2 MB, where the kernel gives them, are faulted in whole
    assert int(printed[1]) < n_pages / 600


GAPS = """
import ctypes
from pathlib import Path
from bench.learning.freed_memory import keep_freed_memory, return_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
kept = keep_freed_memory()

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blocks = [libc.malloc(16 << 20) for _ in range(16)]
for block in blocks:
    ctypes.memset(block, 1, 16 << 20)
for block in blocks[::2]:
    libc.free(block)
before = resident()
return_freed_memory()
print(before - resident(), kept)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has the setting")
def test_kept_memory_is_returned_even_from_gaps_between_blocks_in_use() -> None:
    printed = subprocess.run([sys.executable, "-c", GAPS], capture_output=True, text=True, check=True).stdout.split()
    if printed[1] != "True":
        pytest.skip("this C library is not glibc")
    assert int(printed[0]) > 7 * (16 << 20)


GROWTH = """
import ctypes
from bench.learning.freed_memory import LEAST_STEPS, KeptMemory, _resident_bytes, keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
kept, memory = keep_freed_memory(), KeptMemory()

def step(n_blocks: int) -> int:
    blocks = [libc.malloc(16 << 20) for _ in range(n_blocks)]
    for block in blocks:
        ctypes.memset(block, 1, 16 << 20)
        libc.free(block)
    before = _resident_bytes()
    memory.after_step()
    return before - _resident_bytes()

def held() -> list[int]:
    # blocks in use between freed ones, so that the freed ones are not at the end of the heap
    blocks = [libc.malloc(16 << 20) for _ in range(32)]
    for block in blocks:
        ctypes.memset(block, 1, 16 << 20)
    for block in blocks[::2]:
        libc.free(block)
    return blocks[1::2]

first = step(1)
used = held()
early = [step(1) for _ in range(LEAST_STEPS - 2)]
print(max(map(abs, [first, *early])), step(1), step(1), kept)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has the setting")
def test_a_training_that_has_grown_to_twice_its_first_step_returns_what_it_kept() -> None:
    printed = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True).stdout.split()
    if printed[3] != "True":
        pytest.skip("this C library is not glibc")
    early, grown, afterwards = map(int, printed[:3])
    # reading the resident size allocates a little itself, so steps that return nothing differ by less than a block
    assert early < 16 << 20
    assert grown > 14 * (16 << 20)
    assert abs(afterwards) < 16 << 20


@pytest.mark.parametrize(
    ("needed", "of_machine", "most"),
    [(1, 100, 2), (30, 100, 50), (60, 100, 75)],
    ids=["little of the machine", "half of the machine", "more than half"],
)
def test_a_training_that_needs_much_of_the_machine_may_keep_less(needed: int, of_machine: int, most: float) -> None:
    assert most_bytes(needed, of_machine) == most
