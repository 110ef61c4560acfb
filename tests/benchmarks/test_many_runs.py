"""Many runs: how well two workers share a grid, and how fast a store of 5,000 runs is read.

The figures of a grid mean nothing on a machine that does other work, so they are skipped there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.files.folders import Folders
from bench.metrics import Ranks
from bench.report.page.render import MOST_BYTES
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from tests.support.shop_toy import write_shop

BUSY_LOAD = 1.0
N_JOBS = 40
LEAST_EFFICIENCY = 0.85
MOST_OVERHEAD_SECONDS = 0.05
N_STORED = 5_000
MOST_TABLE_SECONDS, MOST_LIST_SECONDS, MOST_REPORT_SECONDS = 3.0, 1.0, 60.0
GRID = """
name: grid
caption: A grid of small runs.
datasets: {{shop: {{title: Shop}}}}
settings: [warm]
seeds: {seeds}
metrics: [ndcg@1]
rows:
  - {{method: {method}, label: Row, params: {params}}}
"""
TRAINED = {"epochs": 50, "patience": 50, "batch_size": 16, "dimensions": 64}
"""A run of about two seconds, shorter than that of any trained method on the datasets that come with cards."""
N_REPETITIONS = 2
"""The best of these counts: the speed of a virtual machine changes while it is measured."""

pytestmark = pytest.mark.benchmark


def seconds_of(*words: object) -> float:
    """Return the wall seconds of a command in a new process with one thread."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def grid_seconds(folder: Path, data: Path, n_workers: int, n_jobs: int, method: str, params: dict[str, int]) -> float:
    folder.mkdir()
    path = folder / "grid.yaml"
    path.write_text(GRID.format(seeds=list(range(n_jobs)), method=method, params=json.dumps(params)))
    places = ("--data-dir", data, "--cache-dir", folder / "cache", "--results-dir", folder / "results")
    return seconds_of("reproduce", path, "--device", "cpu", "--workers", n_workers, *places)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shop(folder)
    return folder


def test_two_workers_share_a_grid(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.getloadavg()[0] > BUSY_LOAD:
        pytest.skip("the machine is busy")
    measured = [
        [grid_seconds(tmp_path / f"{number}-{workers}", data, workers, N_JOBS, "sasrec", TRAINED) for workers in (1, 2)]
        for number in range(N_REPETITIONS)
    ]
    alone, shared = map(min, zip(*measured, strict=True))
    efficiency = alone / (2 * shared)
    few, many = (grid_seconds(tmp_path / f"n{n}", data, 2, n, "random", {}) for n in (N_JOBS, 5 * N_JOBS))
    each_alone = grid_seconds(tmp_path / "r5", data, 1, 5 * N_JOBS, "random", {}) - grid_seconds(
        tmp_path / "r1", data, 1, N_JOBS, "random", {}
    )
    overhead = ((many - few) - each_alone / 2) / (4 * N_JOBS)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{N_JOBS} runs of SASRec: {alone:.1f} s by one process, {shared:.1f} s by two workers, "
            f"efficiency {efficiency:.2f}; overhead {1000 * overhead:.1f} ms a job\n"
        )
    assert efficiency >= LEAST_EFFICIENCY
    assert overhead <= MOST_OVERHEAD_SECONDS


@pytest.fixture(scope="module")
def large_store(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A store of 5,000 runs: on each of fifty datasets, twenty variants of a method with five seeds each."""
    root = tmp_path_factory.mktemp("store")
    folders = Folders(root / "cache", root / "results", data)
    first = run(complete(RunRequest("bpr", "shop", params={"epochs": 1})), folders, lambda _line: None)
    store, rng = RunStore(folders.results_dir), np.random.default_rng(0)
    users, tops = store.ranks(first.id)[0], store.tops(first.id)
    n_queries, n_candidates = len(users), first.n_candidates
    for number in range(N_STORED):
        dataset, place = divmod(number, 100)
        variant, seed = divmod(place, 5)
        request = RunRequest("bpr", "shop", seed=seed, params={"epochs": 1, "dimensions": 8 + variant})
        spec = complete(request)
        if dataset:
            spec = replace(spec, protocol=replace(spec.protocol, dataset=f"shop-{dataset}"))
        better = rng.integers(n_candidates, size=n_queries)
        ranks = Ranks(better, np.zeros(n_queries, dtype=np.int64))
        record = replace(first, id=spec.hash(), spec=spec, overrides=dict(request.params), data={})
        store.save(record, users, ranks, tops)
    return folders


def test_a_store_of_5000_runs_is_read_fast(large_store: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--results-dir", large_store.results_dir)
    table = seconds_of("table", "--dataset", "shop", "--setting", "warm", *where)
    listed_seconds = min(seconds_of("list", "runs", *where) for _ in range(3))
    page = large_store.results_dir.parent / "report.html"
    report = seconds_of("report", "--output", page, *where)
    records = float("inf")
    for _ in range(2):  # the first time may read from the disk
        began = time.perf_counter()
        listed = RunStore(large_store.results_dir).records()
        records = min(records, time.perf_counter() - began)
    with capsys.disabled():
        sys.stdout.write(
            f"\n5,000 runs: list {listed_seconds:.2f} s, records {records:.2f} s, table {table:.2f} s, "
            f"report {report:.1f} s and {page.stat().st_size / 1e6:.1f} MB\n"
        )
    assert page.stat().st_size <= MOST_BYTES
    assert len(listed) >= N_STORED
    assert listed_seconds <= MOST_LIST_SECONDS
    assert records <= MOST_LIST_SECONDS
    assert table <= MOST_TABLE_SECONDS
    assert report <= MOST_REPORT_SECONDS
