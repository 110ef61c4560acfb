"""The benchmark of accelerators at toy size: everything that it reports is measured, and both files are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.accelerator import main


@pytest.mark.filterwarnings("ignore")  # the Trainer uses several things that torch and PEFT are giving up
def test_the_toy_size_runs_on_a_processor_and_reports_every_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    found = main(["--size", "toy", "--output", str(tmp_path)])
    assert json.loads((tmp_path / "accelerator.json").read_text(encoding="utf-8")) == found
    for job in ("training", "scoring", "trainer_and_peft"):
        assert found[job]["tokens"] > 0
        assert found[job]["tokens_per_second"] > 0
        assert 0 < found[job]["share_of_peak"] < 1.5
        assert f"| {job.replace('_', ' ')} |" in (tmp_path / "accelerator.md").read_text(encoding="utf-8")
    # the same prompts, and padding counts on neither side
    assert found["training"]["tokens"] == found["trainer_and_peft"]["tokens"]
    assert "without padding" in found["tokens_counted"]
    assert found["tokens_counted"] in (tmp_path / "accelerator.md").read_text(encoding="utf-8")
    assert found["training"]["passes_per_step"] == 1
    assert found["training"]["computed_gigabytes"] > 0
    assert found["scoring"]["candidates_per_second"] > 0
    sasrec = found["sasrec"]
    assert sasrec["users"] > 100
    assert sasrec["times_as_fast"] == sasrec["recbole_seconds_per_epoch"] / sasrec["seconds_per_epoch"] > 0
    assert "An epoch of SASRec: RecBole" in (tmp_path / "accelerator.md").read_text(encoding="utf-8")
