"""Seconds and memory from 100 thousand to 10 million interactions; 100 million with BENCH_SCALE_USERS=10000000.

Each step runs in a process of its own, on data that the step before left in the cache, and reports its peak memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.large_data import write_large

MOST_USERS = int(os.environ.get("BENCH_SCALE_USERS", "1000000"))
USERS = [n for n in (10_000, 100_000, 1_000_000, 10_000_000) if n <= MOST_USERS]
GIGABYTE = 1e9
PREPARE = "from bench.data import load_domain; load_domain('large', data_dir, cache_dir)"
CANDIDATES = """
from bench.data import load_domain
from bench.files.store import ArtifactStore
from bench.protocol.task import prepare_task
from bench.spec import ProtocolSpec
domain = load_domain('large', data_dir, cache_dir)
began = time.perf_counter()
prepare_task(domain, ProtocolSpec('large'), ArtifactStore(cache_dir))
"""
RUN = """
import bench
places = dict(data_dir=data_dir, cache_dir=cache_dir, results_dir=results_dir)
bench.run('popularity', 'large', device='cpu', progress=None, **places)
"""
TABLE = """
import bench
places = dict(data_dir=data_dir, cache_dir=cache_dir, results_dir=results_dir)
bench.run('random', 'large', device='cpu', progress=None, **places)
began = time.perf_counter()
bench.table(dataset='large', setting='warm', results_dir=results_dir)
"""
MEASURED = """
import json, resource, sys, time
from pathlib import Path
data_dir, cache_dir, results_dir = map(Path, sys.argv[1:])
import numpy, pyarrow, pandas, bench.data, bench.protocol.task
began = time.perf_counter()
{step}
seconds, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([seconds, peak]))
"""


@dataclass(frozen=True)
class Limit:
    """The most that a step may take with 10 or 100 million interactions."""

    seconds: float
    gigabytes: float = 24.0


LIMITS = {
    1_000_000: {"prepare": Limit(12, 2.0), "candidates": Limit(10, 1.5), "run": Limit(10), "table": Limit(5)},
    10_000_000: {"prepare": Limit(150, 14), "candidates": Limit(120), "run": Limit(240), "table": Limit(60)},
}
STEPS = {"prepare": PREPARE, "candidates": CANDIDATES, "run": RUN, "table": TABLE}


def write_rows(n_interactions: int, found: dict[str, tuple[float, int]]) -> None:
    """Add the values to the file that BENCH_SCALE_FILE names, the one of the site's chart for instance."""
    name = os.environ.get("BENCH_SCALE_FILE")
    if name is None:
        return
    path = Path(name)
    rows = path.read_text().splitlines() if path.exists() else ["interactions,step,seconds,memory_bytes"]
    rows += [f"{n_interactions},{step},{took:.2f},{peak}" for step, (took, peak) in found.items()]
    path.write_text("\n".join(rows) + "\n")


@pytest.mark.benchmark
@pytest.mark.parametrize("n_users", USERS)
def test_time_and_memory_grow_with_the_data(n_users: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    n_interactions = write_large(tmp_path / "data" / "large", n_users, n_items=n_users // 10)
    found = {}
    for name, step in STEPS.items():
        words = [sys.executable, "-c", MEASURED.format(step=step)]
        places = [str(tmp_path / place) for place in ("data", "cache", "results")]
        output = subprocess.run([*words, *places], check=True, capture_output=True, text=True).stdout
        found[name] = json.loads(output.splitlines()[-1])
    write_rows(n_interactions, found)
    with capsys.disabled():
        shown = ", ".join(f"{name} {took:.1f} s {peak / GIGABYTE:.1f} GB" for name, (took, peak) in found.items())
        sys.stdout.write(f"\n{n_interactions:,} interactions, {n_users:,} users: {shown}\n")
    for name, limit in LIMITS.get(n_users, {}).items():
        took, peak = found[name]
        assert took <= limit.seconds, name
        assert peak <= limit.gigabytes * GIGABYTE, name
