"""A run on a machine that it shares: beside another run, and beside a process of another program that never sleeps.

OpenMP's threads spin at barriers by default, and each then takes a core from the thread that all wait for: a SASRec
epoch of one second took 134 s. Waiting passively, a run may take as much longer as it gets less of the machine. The
figures mean nothing on a machine that does other work at the same time, so such a one is skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.shop_toy import write_shop

MOST_TIMES = 2.5
BUSY_LOAD = 0.5
"""Processes that want a core, on average, on a machine that has something else to do."""
TRAINING = ("-p", "epochs=40", "-p", "patience=40", "-p", "batch_size=16", "-p", "dimensions=128")
SPIN = "while True: pass"

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.getloadavg()[0] > BUSY_LOAD:
        pytest.skip("the machine is busy")
    root = tmp_path_factory.mktemp("data")
    write_shop(root)
    return root


def started(data_dir: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a SASRec run in folders of its own, with as many threads as PyTorch takes by itself."""
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    words = ["run", "--method", "sasrec", "--dataset", "shop", "--device", "cpu", *TRAINING]
    folders = ["--data-dir", data_dir, "--cache-dir", folder / "cache", "--results-dir", folder / "results"]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *words, *map(str, folders)], env=environment, stderr=subprocess.DEVNULL
    )


def seconds_of(*runs: subprocess.Popen[bytes]) -> float:
    """Return the seconds until all runs that were started just now have ended."""
    began = time.perf_counter()
    assert [run.wait(timeout=600) for run in runs] == [0] * len(runs)
    return time.perf_counter() - began


@contextmanager
def spinning() -> Iterator[None]:
    """Let a process of another program take all of a core."""
    with subprocess.Popen([sys.executable, "-c", SPIN]) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def alone(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of a run that has the machine for itself, the better of two."""
    return min(seconds_of(started(data_dir, tmp_path_factory.mktemp("alone"))) for _ in range(2))


def test_two_runs_at_once(data_dir: Path, alone: float, tmp_path: Path) -> None:
    together = seconds_of(*(started(data_dir, tmp_path / name) for name in ("one", "other")))
    print(f"\nalone {alone:.1f} s, two at once {together:.1f} s ({together / alone:.2f} times)")
    assert together <= MOST_TIMES * alone


def test_a_run_beside_a_spinning_process(data_dir: Path, alone: float, tmp_path: Path) -> None:
    with spinning():
        beside = seconds_of(started(data_dir, tmp_path))
    print(f"\nalone {alone:.1f} s, beside a spinning process {beside:.1f} s ({beside / alone:.2f} times)")
    assert beside <= MOST_TIMES * alone
