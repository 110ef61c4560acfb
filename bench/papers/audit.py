"""Check whether published results can come from any ranking.

With one positive per query, every metric is a mean over users of a fixed gain at the positive's rank. A cell's metrics
are therefore linear in the fractions of users at each rank, and a small linear program decides whether any fractions
give all of them within rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics import N_CANDIDATES, Metric

ROUNDING = 5e-5
"""Half a unit of the fourth decimal, the last one in the papers."""


@dataclass(frozen=True)
class ImpossibleCell:
    """Published results of one row and dataset that no ranking can produce."""

    table: str
    method: str
    dataset: str
    values: dict[str, float]
    """Metrics as fractions."""

    def contradiction(self) -> Contradiction | None:
        """Return the last metric that contradicts the others; None if the others already contradict each other."""
        for metric in reversed(self.values):
            others = {name: value for name, value in self.values.items() if name != metric}
            room = possible_range(metric, others)
            if room is not None:
                return Contradiction(metric, self.values[metric], *room)
        return None


@dataclass(frozen=True)
class Contradiction:
    """A published number outside the range implied by the other numbers of its cell."""

    metric: str
    value: float
    low: float
    high: float


def is_possible(values: Mapping[str, float], rounding: float = ROUNDING, n_candidates: int = N_CANDIDATES) -> bool:
    """Return whether a distribution of the positive's rank with these metrics exists (``ndcg@3`` … as fractions)."""
    return _least(np.zeros(n_candidates), values, rounding, n_candidates) is not None


def possible_range(
    metric: str, values: Mapping[str, float], rounding: float = ROUNDING, n_candidates: int = N_CANDIDATES
) -> tuple[float, float] | None:
    """Return the minimum and maximum of a metric given the others; None if the others are impossible."""
    gains = Metric.parse(metric).gains(n_candidates)
    low = _least(gains, values, rounding, n_candidates)
    high = _least(-gains, values, rounding, n_candidates)
    return None if low is None or high is None else (low, -high)


def _least(gain: NDArray[np.float64], values: Mapping[str, float], rounding: float, n_candidates: int) -> float | None:
    """Return the minimum mean of a gain over rank distributions with all the metrics; None if there are none."""
    from scipy.optimize import linprog

    gains = np.stack([Metric.parse(metric).gains(n_candidates) for metric in values])
    printed = np.array(list(values.values()))
    # the unknowns are the fractions of users at each rank, which linprog keeps non-negative by default
    solution = linprog(
        gain,
        A_ub=np.concatenate([gains, -gains]),
        b_ub=np.concatenate([printed + rounding, rounding - printed]),
        A_eq=np.ones((1, n_candidates)),
        b_eq=[1.0],
    )
    return None if solution.status != 0 or solution.x is None else float(gain @ solution.x)


def impossible_cells(tables: Mapping[str, Mapping[str, Any]], percent: bool = False) -> Iterator[ImpossibleCell]:
    """Yield the impossible cells of published tables (of :func:`bench.papers.printed.published_tables`).

    ``percent`` means that numbers are in percent, with two decimals.
    """
    scale = 100.0 if percent else 1.0
    for name, table in tables.items():
        for row in table["rows"]:
            for dataset, values in _cells(row["values"]):
                metrics = {metric.lower(): value / scale for metric, value in values.items() if _is_metric(metric)}
                if len(metrics) > 1 and not is_possible(metrics):
                    yield ImpossibleCell(name, row["method"], dataset, metrics)


def _cells(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield (dataset, metrics) of a row; the dataset's name is empty if the row has only one."""
    named = {dataset: metrics for dataset, metrics in values.items() if isinstance(metrics, dict)}
    yield from named.items() if named else [("", {k: v for k, v in values.items() if isinstance(v, int | float)})]


def _is_metric(name: str) -> bool:
    try:
        Metric.parse(name.lower())
    except ValueError:
        return False
    return True
