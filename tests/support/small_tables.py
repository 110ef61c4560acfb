"""A small experiment with stored runs of seeded ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow
from bench.plugin import Entry
from bench.registry import Registry
from bench.report.tables.table import Cell, Table
from bench.runs.record import RunRecord

Save = Callable[..., RunRecord]
N = 300
REGISTRY = Registry({"oracle": Entry("oracle", "control", privileged=True)}, {})


def ranks(seed: int, highest: int) -> list[int]:
    return [int(rank) for rank in np.random.default_rng(seed).integers(0, highest, N)]


def column(table: Table, number: int = 0) -> dict[str, Cell]:
    return {row.method: row.cells[number] for row in table.rows}


def experiment(*methods: str, **fields: Any) -> Experiment:
    facts: dict[str, Any] = {
        "name": "small",
        "caption": "A small table.",
        "rows": tuple(ExperimentRow(method, method.upper()) for method in methods),
        "datasets": (ExperimentDataset("beauty", "Beauty", ("clothing",)),),
        "settings": ("warm",),
        "metrics": ("ndcg@1", "ndcg@3"),
        **fields,
    }
    return Experiment(**facts)
