"""Whether printed figures can come from any ranking at all.

With one positive a query, every metric is a mean over users of a fixed gain at the positive's rank. A cell's metrics
are therefore linear in the shares of users at each rank, and a small linear programme tells whether any shares give
all of them within the rounding of the print.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.metrics import N_CANDIDATES, Metric

ROUNDING = 5e-5
"""Half a unit of the fourth decimal, which the papers print."""


@dataclass(frozen=True)
class ImpossibleCell:
    """Printed figures of one row and dataset that no ranking has."""

    table: str
    method: str
    dataset: str
    values: dict[str, float]
    """Metrics as fractions."""


def is_possible(values: Mapping[str, float], rounding: float = ROUNDING, n_candidates: int = N_CANDIDATES) -> bool:
    """Whether some distribution of the positive's rank has all these metrics (``ndcg@3`` … as fractions)."""
    from scipy.optimize import linprog

    gains = np.stack([Metric.parse(metric).gains(n_candidates) for metric in values])
    printed = np.array(list(values.values()))
    solution = linprog(
        np.zeros(n_candidates),
        A_ub=np.concatenate([gains, -gains]),
        b_ub=np.concatenate([printed + rounding, rounding - printed]),
        A_eq=np.ones((1, n_candidates)),
        b_eq=[1.0],
    )
    return bool(solution.status == 0)


def impossible_cells(tables: Mapping[str, Mapping[str, Any]], percent: bool = False) -> Iterator[ImpossibleCell]:
    """Yield the impossible cells of published tables (of :func:`bench.published.published_tables`).

    ``percent`` says that figures are printed in percent, with two decimals.
    """
    scale = 100.0 if percent else 1.0
    for name, table in tables.items():
        for row in table["rows"]:
            for dataset, values in _cells(row["values"]):
                metrics = {metric.lower(): value / scale for metric, value in values.items() if _is_metric(metric)}
                if len(metrics) > 1 and not is_possible(metrics):
                    yield ImpossibleCell(name, row["method"], dataset, metrics)


def _cells(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield (dataset, metrics) of a row, whether it names its datasets or has only one."""
    named = {dataset: metrics for dataset, metrics in values.items() if isinstance(metrics, dict)}
    yield from named.items() if named else [("", {k: v for k, v in values.items() if isinstance(v, int | float)})]


def _is_metric(name: str) -> bool:
    try:
        Metric.parse(name.lower())
    except ValueError:
        return False
    return True
