"""``bench run --track``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bench.files.folders import Folders
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
RUN = ("run", "--method", "popularity", "--dataset", "shop")


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
