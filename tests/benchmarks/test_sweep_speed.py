"""Points of the sweep over merge weights as one set of runs beside runs of their own, adapters trained beforehand.

A point of the set merges and scores; a run of its own also starts Python, loads the backbone and cuts all titles.
Processor time is what counts, as other work disturbs it little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.lm.backbones import packaged_minilm
from bench.plugin import LastLoaded
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.request import RunRequest
from bench.spec import RunSpec
from tests.support.shop_toy import write_shop

ALPHAS = (0.0, 0.35, 1.0)
LEAST_RATIO = 3
SMALL = {"max_examples": 64, "epochs": 1}


def spec_at(alpha: float) -> RunSpec:
    params: dict[str, Any] = {**SMALL, "target_weight": alpha}
    return complete(RunRequest("weaverec", "shop", params=params, sources=("market",), backbone="minilm"))


def command_at(alpha: float, folders: Folders) -> list[str]:
    words = ["run", "--method", "weaverec", "--dataset", "shop", "--sources", "market", "--backbone", "minilm"]
    for name, value in {**SMALL, "target_weight": alpha}.items():
        words += ["-p", f"{name}={value}"]
    words += ["--device", "cpu", "--data-dir", str(folders.data_dir), "--cache-dir", str(folders.cache_dir)]
    return [sys.executable, "-m", "bench.cli.main", *words, "--results-dir", str(folders.results_dir)]


def children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.benchmark
@pytest.mark.skipif(packaged_minilm() is None, reason="the minilm extra is not installed")
def test_a_point_of_a_sweep_costs_merging_and_scoring_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("shop", "market")):
        write_shop(tmp_path / "data", name, seed=seed)
    folders = Folders(tmp_path / "cache", tmp_path / "set", tmp_path / "data")
    run(spec_at(0.5), folders, lambda _line: None)  # trains the adapters
    together = []
    with LastLoaded() as held:
        for alpha in ALPHAS:
            started = time.process_time()
            run(spec_at(alpha), folders, lambda _line: None, held=held)
            together.append(time.process_time() - started)
    began = children_seconds()
    for alpha in ALPHAS:
        alone = Folders(folders.cache_dir, tmp_path / "alone", folders.data_dir)
        subprocess.run(command_at(alpha, alone), check=True, capture_output=True)
    separate = (children_seconds() - began) / len(ALPHAS)
    point = sum(together[1:]) / len(together[1:])
    with capsys.disabled():
        print(
            f"\nsweep on a shop of 60 items: first point {together[0]:.2f} s (loads the backbone), each further point "
            f"{point:.2f} s, as a run of its own {separate:.2f} s, {separate / point:.1f} times"
        )
    assert separate / point >= LEAST_RATIO
