"""Check names of metrics given by users."""

from __future__ import annotations

from collections.abc import Iterable

from bench.errors import BenchError, did_you_mean

USUAL_METRICS = ("ndcg@1", "ndcg@3")
"""Default metrics of a table or comparison."""


def checked_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without repeats; raise BenchError for an unknown metric."""
    return tuple(dict.fromkeys(map(_checked_metric, names)))


def _checked_metric(name: str) -> str:
    from bench.metrics import DEFAULT_METRICS, Metric  # imports numpy, which a command's help does not need

    try:
        return str(Metric.parse(name.lower()))
    except ValueError:
        hint = did_you_mean(name.lower(), DEFAULT_METRICS)
        raise BenchError(
            f"Unknown metric '{name}'; expected ndcg@k, hit@k or mrr@k.{hint} See 'bench run --help'."
        ) from None
