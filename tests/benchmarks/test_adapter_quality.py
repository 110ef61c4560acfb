"""An adapter of MiniLM on Beauty, warm, by the defaults: how good, and after how many minutes of two cores.

One epoch of the target's positions is enough for the first bar, whose mean is over three seeds; for the second an
adapter is trained until validation stops rising. A machine that does other work beside takes longer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.files.folders import Folders
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest

METRICS = ("ndcg@1", "ndcg@3")
EARLY, EARLY_MINUTES, EARLY_EPOCHS = (0.310, 0.410), 10, 1
CONVERGED, CONVERGED_MINUTES = (0.360, 0.465), 30


def trained_on_beauty(folder: Path, seed: int, params: dict[str, Any]) -> RunRecord:
    if not os.environ.get("BENCH_DATA"):
        pytest.skip("BENCH_DATA names no folder with the Beauty data")
    folders = Folders(folder / "cache", folder / "results", Path(os.environ["BENCH_DATA"]))
    request = RunRequest("target-only", "beauty", params=params, backbone="minilm", seed=seed)
    return run(complete(request), folders, lambda _line: None)


def figures(record: RunRecord) -> list[float]:
    return [record.metrics[metric]["value"] for metric in METRICS]


def minutes(record: RunRecord) -> float:
    return record.fit.adapters["target"].seconds / 60


@pytest.mark.benchmark
def test_three_seeds_of_a_short_training_reach_the_first_bar(tmp_path: Path) -> None:
    records = [trained_on_beauty(tmp_path, seed, {"epochs": EARLY_EPOCHS}) for seed in range(3)]
    means = np.mean([figures(record) for record in records], axis=0)
    print(f"\n{EARLY_EPOCHS} epoch: NDCG@1/@3 {means[0]:.4f}/{means[1]:.4f}, the mean of three seeds; ", end="")
    print(", ".join(f"{minutes(record) * 60:.0f} s" for record in records))
    assert (means >= EARLY).all()
    assert max(map(minutes, records)) <= EARLY_MINUTES


@pytest.mark.benchmark
def test_a_training_until_validation_stops_rising_reaches_the_second_bar(tmp_path: Path) -> None:
    record = trained_on_beauty(tmp_path, 0, {})
    adapter = record.fit.adapters["target"]
    print(f"\n{adapter.epochs:.1f} epochs, {adapter.ended}: NDCG@1/@3 ", end="")
    print("/".join(f"{figure:.4f}" for figure in figures(record)), f"after {adapter.seconds:.0f} s")
    assert adapter.ended == "converged"
    assert (np.array(figures(record)) >= CONVERGED).all()
    assert minutes(record) <= CONVERGED_MINUTES
