"""The page of the shipped records, in a fresh process as a user meets it.

Processor time is what counts: it is the waiting time on an idle machine, and other work disturbs it little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 5.0
LIMIT_BYTES = 1_500_000


@pytest.mark.benchmark
def test_the_page_of_the_shipped_records_takes_five_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.html"
    folders = ["--results-dir", str(ROOT / "results" / "measured"), "--cache-dir", str(tmp_path)]
    code = (
        f"from bench.cli.report import report; report({[*folders, '--output', str(target)]!r}, standalone_mode=False)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "BENCH_DATA"}
    wall, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    wall, after = time.perf_counter() - wall, os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    with capsys.disabled():
        print(f"\nbench report, fresh process: {seconds:.2f} s (wall {wall:.2f} s), {target.stat().st_size:,} bytes")
    assert seconds <= LIMIT_SECONDS
    assert target.stat().st_size <= LIMIT_BYTES
