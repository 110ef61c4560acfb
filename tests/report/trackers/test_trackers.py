"""A finished run reaches each tracker, offline and for real where it is installed, and a failure breaks nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.errors import BenchError, BenchWarning
from bench.files.extras import is_installed
from bench.plugin import AdapterReport, FitReport, TrainingReport
from bench.report.trackers.tracked import TRACKERS, TrackedRun, require_tracker, send, tracked_run
from bench.runs.record import RunRecord

Save = Callable[..., RunRecord]


@pytest.fixture
def record(save_run: Save) -> RunRecord:
    training = TrainingReport(
        curves={"losses": (0.9, 0.5, 0.4), "validation_ndcg@3": (0.1, 0.3)}, epoch_of_check=(0.5, 3.0), epochs=3
    )
    adapter = AdapterReport("abc", ("shop",), losses=(2.0, 1.0), validation=(0.2, 0.4), epoch_of_check=(0.0, 1.0))
    fit = FitReport(training=training, adapters={"target": adapter})
    return save_run("sasrec", [0, 3, 1], overrides={"layers": 3}, fit=fit, seconds={"fit": 2.5}, seed=4)


@pytest.fixture
def run(record: RunRecord) -> TrackedRun:
    return tracked_run(record)


def test_a_tracker_gets_curves_metrics_parameters_the_id_and_the_command(record: RunRecord, run: TrackedRun) -> None:
    assert (run.id, run.name) == (record.id, "sasrec@beauty@warm@seed4")
    assert run.command == "bench run --method sasrec --dataset beauty --setting warm --seed 4 -p layers=3"
    assert (run.params["params/layers"], run.params["params/dropout"], run.params["seed"]) == (3, 0.5, 4)
    assert run.metrics["ndcg@3"] == record.metrics["ndcg@3"]["value"]
    assert run.metrics["ndcg@3/low"] == record.metrics["ndcg@3"]["low"]
    assert run.metrics["seconds/fit"] == 2.5
    assert run.series == {
        "training/losses": ((1.0, 0.9), (2.0, 0.5), (3.0, 0.4)),
        "training/validation_ndcg@3": ((0.5, 0.1), (3.0, 0.3)),
        "adapter/target/losses": ((1.0, 2.0), (2.0, 1.0)),
        "adapter/target/validation": ((0.0, 0.2), (1.0, 0.4)),
    }


def test_a_tracker_gets_the_losses_on_held_out_examples_at_their_epochs(save_run: Save) -> None:
    adapter = AdapterReport(
        "abc", validation=(0.2, 0.4), slice_losses=(3.0, 2.0, 2.5), epoch_of_check=(0.0, 0.5, 1.0), best_check=1
    )
    series = tracked_run(save_run("target-only", [0], fit=FitReport(adapters={"target": adapter}))).series
    assert series["adapter/target/validation"] == ((0.0, 0.2), (0.5, 0.4))
    assert series["adapter/target/slice_losses"] == ((0.0, 3.0), (0.5, 2.0), (1.0, 2.5))


def test_tensorboard_reads_back_what_was_sent(record: RunRecord, run: TrackedRun, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # a second time replaces the first
        send(record, "tensorboard", tmp_path)
    (folder,) = (tmp_path / "tracking" / "tensorboard").iterdir()
    assert folder.name == f"{run.name}-{run.id}"
    assert len(list(folder.iterdir())) == 1
    read = EventAccumulator(str(folder))
    read.Reload()
    losses = [(event.step, event.value) for event in read.Scalars("training/losses")]
    assert losses == [(1, pytest.approx(0.9)), (2, pytest.approx(0.5)), (3, pytest.approx(0.4))]
    assert [event.step for event in read.Scalars("training/validation_ndcg@3")] == [50, 300]
    assert read.Scalars("test/ndcg@3")[0].value == pytest.approx(run.metrics["ndcg@3"], rel=1e-6)
    (text,) = read.Tensors("command")
    assert text.tensor_proto.string_val[0].decode() == run.command
    assert "hparams" in read.PluginTagToContent("hparams").__str__()


SEND = """
import json, sys
from pathlib import Path
from bench.report.trackers import tracked
run = tracked.TrackedRun(**json.loads(sys.argv[2]))
tracked.tracked_run = lambda record: run
import warnings
warnings.simplefilter("error", tracked.BenchWarning)
tracked.send(run, sys.argv[1], Path(sys.argv[3]))
"""


def sent_for_real(run: TrackedRun, tracker: str, folder: Path, **environment: str) -> None:
    """Send a run in a process of its own, because these packages start threads and warn of their own accord."""
    import dataclasses
    import os

    words = [sys.executable, "-c", SEND, tracker, json.dumps(dataclasses.asdict(run)), str(folder)]
    hidden = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "MLFLOW_"))}
    done = subprocess.run(words, env={**hidden, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("mlflow"), reason="MLflow is not installed")
def test_mlflow_stores_it_in_a_file(run: TrackedRun, tmp_path: Path) -> None:
    import sqlite3

    sent_for_real(run, "mlflow", tmp_path)
    with sqlite3.connect(tmp_path / "tracking" / "mlflow.db") as database:
        params = dict(database.execute("select key, value from params"))
        tags = dict(database.execute("select key, value from tags"))
        losses = database.execute("select step, value from metrics where key = 'training/losses' order by step")
        assert list(losses) == [(1, 0.9), (2, 0.5), (3, 0.4)]
        (value,) = database.execute("select value from metrics where key = 'ndcg_at_3'").fetchone()
    assert value == run.metrics["ndcg@3"]
    assert (params["params/layers"], params["method"]) == ("3", "sasrec")
    assert (tags["bench.run"], tags["command"]) == (run.id, run.command)


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("wandb"), reason="W&B is not installed")
def test_wandb_writes_it_offline(run: TrackedRun, tmp_path: Path) -> None:
    sent_for_real(run, "wandb", tmp_path, WANDB_MODE="offline")
    (path,) = (tmp_path / "tracking" / "wandb").glob(f"offline-run-*-{run.id}/run-{run.id}.wandb")
    content = path.read_bytes()
    assert run.name.encode() in content
    assert b"adapter/target/validation" in content
    assert b"params/layers" in content


class FakeWandb:
    """Records the calls that the module makes of W&B."""

    def __init__(self) -> None:
        self.started: dict[str, Any] = {}
        self.logged: list[dict[str, float]] = []
        self.summary: dict[str, float] = {}
        self.finished = 0

    def init(self, **facts: Any) -> FakeWandb:
        self.started = facts
        return self

    def Settings(self, **facts: Any) -> SimpleNamespace:  # noqa: N802  # wandb's name
        return SimpleNamespace(**facts)

    def define_metric(self, name: str, step_metric: str) -> None:
        assert step_metric == f"{name}/step"

    def log(self, values: dict[str, float]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.finished += 1


def test_wandb_gets_each_curve_with_its_own_steps(
    record: RunRecord, run: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    send(record, "wandb", tmp_path)
    assert (fake.started["project"], fake.started["id"], fake.started["resume"]) == ("mine", record.id, "allow")
    assert fake.started["config"] == {**run.params, "command": run.command}
    assert {"training/validation_ndcg@3": 0.1, "training/validation_ndcg@3/step": 0.5} in fake.logged
    assert len(fake.logged) == sum(map(len, run.series.values()))
    assert fake.summary == run.metrics
    assert fake.finished == 1


@pytest.mark.parametrize("error", [RuntimeError("no\nnetwork"), SystemExit(1), ImportError("half installed")])
def test_a_tracker_that_fails_warns_once_in_one_line(
    record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def init(**_: Any) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Settings=SimpleNamespace))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        send(record, "wandb", tmp_path)
    (warning,) = told
    assert warning.category is BenchWarning
    assert f"Run {record.id} is stored, but wandb failed ({type(error).__name__}" in str(warning.message)
    assert "\n" not in str(warning.message)


def test_an_unknown_tracker_and_a_missing_package_are_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match=r"Unknown tracker 'tensorbord'.* Did you mean tensorboard\?"):
        require_tracker("tensorbord")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(BenchError, match=r"pip install 'llmrec-bench\[wandb\]'"):
        require_tracker("wandb")


def test_no_tracker_is_imported_unless_asked_for() -> None:
    code = f"import sys, bench.api.runs, bench.cli.run; print(sorted({TRACKERS!r} & sys.modules.keys()))"
    code = code.replace(repr(TRACKERS), repr(set(TRACKERS)))
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
