"""Choose and order the columns of an experiment's table by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, did_you_mean
from bench.report.metric_names import metric_named

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment


def with_columns(experiment: Experiment, names: Sequence[str]) -> Experiment:
    """Return an experiment with only the named columns, in the given order.

    A name is a metric, which need not be in the file, a dataset or its title, a setting, ``sampled`` or ``full``, or a
    dataset statistic. Of a kind that is not named, all columns stay.

    Raises:
        BenchError: a name is none of these.
    """
    chosen: dict[str, list[Any]] = {}
    for name in names:
        field, value = _meaning(experiment, name)
        chosen.setdefault(field, []).append(value)
    changes: dict[str, Any] = {field: tuple(dict.fromkeys(values)) for field, values in chosen.items()}
    return replace(experiment, **changes)


def _meaning(experiment: Experiment, name: str) -> tuple[str, Any]:
    """Return the field of an experiment that a column name chooses from, and the chosen value."""
    known: dict[str, tuple[str, Any]] = {}
    for field in ("statistics", "settings", "candidates") if not experiment.statistics else ("statistics",):
        known |= {one.lower(): (field, one) for one in getattr(experiment, field)}
    for dataset in experiment.datasets:
        known |= {one.lower(): ("datasets", dataset) for one in (dataset.title, dataset.name)}
    metric = None if experiment.statistics else metric_named(name)
    if metric is not None:
        return "metrics", metric
    if name.lower() not in known:
        names = [*experiment.metrics, *known]
        raise BenchError(
            f"--columns {name}: table '{experiment.name}' has no such column.{did_you_mean(name.lower(), names)} "
            f"Columns: {', '.join(names)}."
        )
    return known[name.lower()]
