"""The largest tables from stored runs of Beauty's size, in a fresh process as a user meets it.

Processor time is what counts: it is the waiting time on an idle machine, and other work disturbs it little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from bench.experiments.reader import load_experiment
from bench.registry import registry
from bench.report.tables.layout import known_entry
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

N_USERS = {"warm": 22_363, "cold": 2_236}
LIMIT_SECONDS = 2.0


@pytest.mark.benchmark
@pytest.mark.parametrize("name", ["main-warm-cold", "weaverec-table1"])
def test_a_table_takes_two_seconds(
    name: str, run_store: RunStore, save_run: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for cell in load_experiment(name).cells():
        run = cell.request
        ranks = rng.integers(0, 30, N_USERS[run.setting]).tolist()
        entry = known_entry(registry(), run.method)
        facts = {"setting": run.setting, "dataset": run.dataset, "toy": run.backbone == "tiny"}
        if entry is None or entry.needs_backbone:
            facts["backbone"] = run.backbone
        if entry is None or entry.needs_sources:
            facts["sources"] = run.sources
        save_run(run.method, ranks, overrides=dict(run.params), **facts)
    words = [name, "--results-dir", str(run_store.results_dir)]
    code = f"from bench.cli.table import table; table({words!r}, standalone_mode=False)"
    wall, before = time.perf_counter(), os.times()
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    wall, after = time.perf_counter() - wall, os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    with capsys.disabled():
        print(f"\n{name} from {len(run_store.records())} runs, fresh process: {seconds:.2f} s (wall {wall:.2f} s)")
    assert "Missing runs" not in output
    assert seconds <= LIMIT_SECONDS
