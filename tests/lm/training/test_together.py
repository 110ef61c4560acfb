"""Two processes train the adapter of one: connected by gloo, each with half of every batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.cli.main import INTERRUPT
from bench.learning.team import ALONE, Team, current_team, n_launched
from bench.lm.memory import NO_LIMIT, PassLimit
from bench.lm.training.together import common_limit, shared_limit, shared_scores
from bench.plugin import Queries

ROOT = Path(__file__).parents[3]


def launched(folder: Path, pico: Path, n_processes: int, interrupted_after: int = 0, returncode: int = 0) -> list[str]:
    """Return what each of several processes said that were started as ``accelerate launch`` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "tests.support.trained_together", str(folder), str(pico), str(interrupted_after)]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"WORLD_SIZE": str(n_processes), "LOCAL_WORLD_SIZE": str(n_processes)}
    started = [
        subprocess.Popen(
            words,
            cwd=ROOT,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(n_processes)
    ]
    said = [process.communicate(timeout=120)[0].strip() for process in started]
    assert [process.returncode for process in started] == [returncode] * n_processes
    return said


def adapter_in(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.rglob("adapters/*/*.safetensors")
    return load_file(file)


@pytest.mark.slow
def test_two_processes_train_the_adapter_of_one(pico_folder: Path, tmp_path: Path) -> None:
    (alone,) = launched(tmp_path / "one", pico_folder, 1)
    both = launched(tmp_path / "two", pico_folder, 2)
    n_steps = alone.rpartition(": ")[2]
    assert both == [f"process {number} of 2: {n_steps}" for number in range(2)]
    one, two = adapter_in(tmp_path / "one"), adapter_in(tmp_path / "two")
    assert one.keys() == two.keys()
    assert max(factor.abs().max().item() for name, factor in one.items() if name.endswith(".B")) > 1e-2
    for name, factor in one.items():
        torch.testing.assert_close(two[name], factor, rtol=0, atol=1e-5)
    assert not list((tmp_path / "two").rglob("unfinished/*/*"))
    assert launched(tmp_path / "two", pico_folder, 2) == both  # it is found, and nobody waits


@pytest.mark.slow
def test_an_interrupt_of_one_process_stops_both_after_the_same_step(pico_folder: Path, tmp_path: Path) -> None:
    (alone,) = launched(tmp_path / "one", pico_folder, 1)
    launched(tmp_path / "two", pico_folder, 2, interrupted_after=3, returncode=INTERRUPT)
    assert len(list((tmp_path / "two").rglob("unfinished/adapters/*"))) == 1
    resumed = launched(tmp_path / "two", pico_folder, 2)
    assert resumed[0].rpartition(": ")[2] == alone.rpartition(": ")[2]
    for name, factor in adapter_in(tmp_path / "one").items():
        torch.testing.assert_close(adapter_in(tmp_path / "two")[name], factor, rtol=0, atol=1e-5)


def test_each_process_gets_a_part_and_no_part_exceeds_the_device() -> None:
    assert shared_limit(None, lambda: 900, ALONE) is None
    assert shared_limit(None, lambda: 901, Team(0, 2)) == 451
    assert shared_limit(100, lambda: 900, Team(1, 2)) == 100
    assert shared_limit(None, lambda: 0, Team(1, 2)) == 1


def test_a_batch_is_divided_as_on_the_smallest_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Team, "highest", lambda _self, number: max(number, -4096))
    assert common_limit(PassLimit(6144, 6144), Team(0, 2)) == PassLimit(4096, 6144)
    assert common_limit(PassLimit(2048, 0), Team(1, 2)) == PassLimit(2048, 0)
    assert common_limit(NO_LIMIT, Team(0, 2)) == NO_LIMIT


def test_the_parts_of_all_processes_are_all_parts() -> None:
    own = [Team(number, 3).own("abcdefg") for number in range(3)]
    assert sorted("".join(own)) == list("abcdefg")


def test_shares_of_scores_come_together_in_the_order_of_the_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    users, histories = np.arange(5), np.zeros(0, dtype=np.int32)
    queries = Queries(users, np.zeros(6, dtype=np.int64), histories, np.arange(10, dtype=np.int32).reshape(5, 2))

    def score(asked: Queries) -> np.ndarray:
        return asked.candidates.astype(np.float32)

    monkeypatch.setattr(
        Team, "gathered", lambda self, _own: [score(queries.take(np.arange(n, 5, self.size))) for n in (0, 1)]
    )
    assert shared_scores(score, queries, Team(1, 2)).tolist() == score(queries).tolist()


def test_a_process_that_nobody_launched_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert n_launched() == 1
    assert current_team() == ALONE
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert n_launched() == 2
    assert current_team() == ALONE  # it has not been connected
