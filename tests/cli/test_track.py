"""``--track`` of ``bench run`` and ``bench reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.files.folders import Folders
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
RUN = ("run", "--method", "popularity", "--dataset", "shop")
TWO_RUNS = """
name: two
caption: Two runs
datasets: {shop: {title: Shop}}
settings: [warm]
metrics: [ndcg@1]
rows:
  - {method: popularity, label: Popularity}
  - {method: random, label: Random, reference: true}
"""


def test_a_run_is_sent_and_sent_again_if_it_is_reused(bench: Bench, folders: Folders) -> None:
    pytest.importorskip("tensorboard")
    for _ in range(2):
        assert bench(*RUN, "--track", "tensorboard").code == 0
        (events,) = folders.results_dir.glob("tracking/tensorboard/popularity@shop@warm@seed0-*/events*")
        assert events.stat().st_size > 500
    assert bench("verify").code == 0


def test_a_failing_tracker_does_not_break_the_run(
    bench: Bench, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.report.trackers.tracked.require", lambda *_: None)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Settings=SimpleNamespace))
    outcome = bench(*RUN, "--track", "wandb")
    assert outcome.code == 0
    assert outcome.stdout == bench(*RUN).stdout
    warnings = [line for line in outcome.stderr.splitlines() if line.startswith("Warning: ")]
    assert len(warnings) == 1
    assert "is stored, but wandb failed (AttributeError" in warnings[0]
    assert list(folders.results_dir.glob("runs/*/run.json"))


def test_a_wrong_name_stops_before_anything_is_run(bench: Bench, folders: Folders) -> None:
    assert "Did you mean tensorboard?" in bench(*RUN, "--track", "tensorbord").mistake
    assert not folders.results_dir.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reproduction_sends_the_runs_that_it_executes_and_no_others(
    bench: Bench, folders: Folders, tmp_path: Path, workers: int
) -> None:
    pytest.importorskip("tensorboard")
    experiment = tmp_path / "two.yaml"
    experiment.write_text(TWO_RUNS)
    assert bench(*RUN).code == 0
    outcome = bench("reproduce", experiment, "--device", "cpu", "--workers", workers, "--track", "tensorboard")
    assert outcome.code == 0, outcome.stderr
    (sent,) = folders.results_dir.glob("tracking/tensorboard/*")
    assert sent.name.startswith("random@shop@warm@seed0-")


def test_a_wrong_name_stops_a_reproduction_before_its_runs(bench: Bench, folders: Folders) -> None:
    assert "Did you mean wandb?" in bench("reproduce", "demo", "--track", "wand").mistake
    assert not folders.results_dir.exists()
