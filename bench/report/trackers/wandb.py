"""Send a run to the project ``WANDB_PROJECT``, else ``bench``, of Weights & Biases.

``WANDB_MODE=offline`` writes files only.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report.trackers.tracked import TrackedRun

PROJECT = "bench"


def log(run: TrackedRun, folder: Path) -> None:
    """Create or update the W&B run with the run's id; files are written below ``folder``."""
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    sent = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        id=run.id,
        name=run.name,
        config={**run.params, "command": run.command},
        dir=str(folder),
        resume="allow",
        settings=wandb.Settings(silent=True, console="off"),
    )
    try:
        for name, points in run.series.items():
            sent.define_metric(name, step_metric=f"{name}/step")
            for step, value in points:
                sent.log({name: value, f"{name}/step": step})
        sent.summary.update(run.metrics)
    finally:
        sent.finish()
