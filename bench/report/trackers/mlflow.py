"""Send a run to MLflow: to ``MLFLOW_TRACKING_URI``, else to a SQLite file in the results directory."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report.trackers.tracked import TrackedRun

ADDRESS = "MLFLOW_TRACKING_URI"
EXPERIMENT = "bench"
TAG = "bench.run"
"""The tag with the run's id."""
LONGEST_PARAM = 500
METRICS_A_BATCH = 1000


def log(run: TrackedRun, folder: Path) -> None:
    """Create an MLflow run in the experiment ``bench``."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    address = os.environ.get(ADDRESS)
    if not address:
        folder.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{folder.absolute() / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=address)
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment = client.create_experiment(EXPERIMENT) if known is None else known.experiment_id
    made = client.create_run(experiment, run_name=run.name, tags={TAG: run.id, "command": run.command}).info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric(_key(name), value, now, 0) for name, value in run.metrics.items()]
    for name, points in run.series.items():
        # steps are integers, so checks within an epoch are numbered
        metrics += [Metric(_key(name), value, now, number) for number, (_, value) in enumerate(points, start=1)]
    client.log_batch(made, params=[Param(_key(name), str(one)[:LONGEST_PARAM]) for name, one in run.params.items()])
    for start in range(0, len(metrics), METRICS_A_BATCH):
        client.log_batch(made, metrics=metrics[start : start + METRICS_A_BATCH])
    client.set_terminated(made)


def _key(name: str) -> str:
    """Return a name that MLflow allows: ``ndcg@3`` becomes ``ndcg_at_3``."""
    named = name.replace("@", "_at_")
    return "".join(sign if sign.isalnum() or sign in "_-./ " else "_" for sign in named)
