"""Metric names as the command line takes them."""

from __future__ import annotations

from collections.abc import Iterable

from bench.errors import BenchError, did_you_mean
from bench.metrics import DEFAULT_METRICS, Metric


def checked_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without repeats; raise BenchError for one that is no metric."""
    return tuple(dict.fromkeys(_checked(name) for name in names))


def _checked(name: str) -> str:
    try:
        return str(Metric.parse(name.lower()))
    except ValueError:
        hint = did_you_mean(name.lower(), DEFAULT_METRICS)
        raise BenchError(
            f"Unknown metric '{name}'; expected ndcg@k, hit@k or mrr@k.{hint} See 'bench run --help'."
        ) from None
