from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS_ALLOWED = 3.0
CODE = """
import sys, time
started = time.perf_counter()
from pathlib import Path
from bench.data import load_domain
load_domain("beauty", Path(sys.argv[1]), Path(sys.argv[2]))
print(time.perf_counter() - started)
"""


def seconds(cache_dir: Path) -> float:
    command = [sys.executable, "-c", CODE, os.environ["BENCH_DATA"], str(cache_dir)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.benchmark
@pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="needs real data: set BENCH_DATA")
def test_beauty_is_prepared_in_three_seconds_and_reloaded_faster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = seconds(tmp_path), seconds(tmp_path)
    with capsys.disabled():
        sys.stdout.write(
            f"\nbeauty, fresh process with imports: prepared in {first:.2f} s, reloaded in {second:.2f} s\n"
        )
    assert first <= SECONDS_ALLOWED
    assert second < first
