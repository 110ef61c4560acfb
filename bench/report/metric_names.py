"""Check names of metrics given by users."""

from __future__ import annotations

from collections.abc import Iterable

from bench.errors import BenchError, did_you_mean

USUAL_METRICS = ("ndcg@1", "ndcg@3")
"""Default metrics of a table or comparison."""


def checked_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without repeats; raise BenchError for an unknown metric."""
    return tuple(dict.fromkeys(map(_checked_metric, names)))


def metric_named(name: str) -> str | None:
    """Return the metric of a name in any case; None if it is not the name of a metric."""
    from bench.metrics import Metric  # imports numpy, which a command's help does not need

    try:
        return str(Metric.parse(name.lower()))
    except ValueError:
        return None


def _checked_metric(name: str) -> str:
    from bench.metrics import DEFAULT_METRICS, EXPECTED_METRICS  # imports numpy, which a command's help does not need

    metric = metric_named(name)
    if metric is None:
        hint = did_you_mean(name.lower(), [*DEFAULT_METRICS, "auc"])
        raise BenchError(f"Unknown metric '{name}'; expected {EXPECTED_METRICS}.{hint} See 'bench describe ndcg@3'.")
    return metric
