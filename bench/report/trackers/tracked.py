"""What is sent to a tracker, and the one place that calls it.

To add a tracker, write a module next to this one with ``log(run, folder)``, and list it in :data:`Tracker` and as an
extra of the same name.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench.errors import BenchError, BenchWarning, did_you_mean, one_line
from bench.files.extras import require
from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from bench.plugin import FitReport
    from bench.runs.record import RunRecord

Tracker = Literal["tensorboard", "mlflow", "wandb"]
TRACKERS: tuple[Tracker, ...] = get_args(Tracker)
FOLDER = "tracking"
"""Subdirectory of the results directory for trackers that write files."""

Series = tuple[tuple[float, float], ...]
"""Points (step, value) of a curve; steps are epochs or checks."""


@dataclass(frozen=True)
class TrackedRun:
    """A finished run as trackers show it."""

    id: str
    name: str
    """``method@dataset@setting@seedN``."""
    command: str
    """The shell command that repeats it."""
    params: dict[str, Any]
    """Dataset, setting, options and every hyperparameter."""
    metrics: dict[str, float]
    """Test metrics with the bounds of their intervals, and seconds by phase."""
    series: dict[str, Series]
    """Losses and validation curves by name."""


def require_tracker(name: str) -> None:
    """Raise BenchError for an unknown tracker, or one whose package is not installed; called before a run."""
    if name not in TRACKERS:
        raise BenchError(f"Unknown tracker '{name}'; expected {' or '.join(TRACKERS)}.{did_you_mean(name, TRACKERS)}")
    require(f"Tracking with {name}", name)


def send(record: RunRecord, name: str, results_dir: Path) -> None:
    """Send a stored run to a tracker; if that fails, warn and return."""
    try:
        module = importlib.import_module(f"bench.report.trackers.{name}")
        module.log(tracked_run(record), results_dir / FOLDER)
    except (Exception, SystemExit) as error:  # a tracker may fail in any way, and the run is stored already
        message = one_line(f"{type(error).__name__}: {error}")
        warnings.warn(f"Run {record.id} is stored, but {name} failed ({message})", BenchWarning, stacklevel=2)


def tracked_run(record: RunRecord) -> TrackedRun:
    """Return what trackers show of a run."""
    spec, protocol = record.spec, record.spec.protocol
    bounds = {f"{name}/{bound}": values[bound] for name, values in record.metrics.items() for bound in ("low", "high")}
    return TrackedRun(
        id=record.id,
        name=record.token,
        command=RunRequest.of(spec, record.overrides).command(),
        params={
            "method": spec.method,
            "dataset": protocol.dataset,
            "setting": protocol.setting,
            "candidates_hash": record.candidates_hash,
            **{name: value for name, value in spec.options().items() if value not in (None, ())},
            **{f"params/{name}": value for name, value in spec.params.items()},
        },
        metrics={
            **{name: values["value"] for name, values in record.metrics.items()},
            **bounds,
            "tie_rate": record.tie_rate,
            **{f"seconds/{phase}": seconds for phase, seconds in record.seconds.items()},
        },
        series=dict(_series(record.fit)),
    )


def _series(fit: FitReport) -> Iterator[tuple[str, Series]]:
    trainings = {} if fit.training is None else {"training": fit.training}
    for place, training in {**fit.stages, **trainings}.items():
        for name, values in training.curves.items():
            steps = training.epoch_of_check if name.startswith("validation") else ()
            yield f"{place}/{name}", _points(values, steps)
    for role, adapter in fit.adapters.items():
        yield f"adapter/{role}/losses", _points(adapter.losses)
        yield f"adapter/{role}/validation", _points(adapter.validation, adapter.epoch_of_validation)
        if adapter.slice_losses:
            yield f"adapter/{role}/slice_losses", _points(adapter.slice_losses, adapter.epoch_of_check)


def _points(values: Sequence[float], steps: Sequence[float] = ()) -> Series:
    numbered = steps if len(steps) == len(values) else range(1, len(values) + 1)
    return tuple(zip(map(float, numbered), map(float, values), strict=True))
