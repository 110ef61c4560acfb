"""Convert the cells of a table to the specs of its runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.experiments.scaling import sizes_of, with_sizes
from bench.registry import registry
from bench.runs.complete import complete
from bench.spec import EXTERNAL

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.experiments.scale import Scale
    from bench.runs.request import RunRequest
    from bench.spec import RunSpec


def complete_experiment(experiment: Experiment) -> list[tuple[RunRequest, RunSpec]]:
    """Return every run of a table with its spec; raise BenchError for a row that cannot be run.

    Rows whose scores are imported (``external:NAME``) have no run. Table defaults that a method does not use are
    removed. In a table with both kinds of candidates, full ranking is skipped for methods that do not support it.
    """
    numbers = {id(row): number for number, row in enumerate(experiment.rows, start=1)}
    completed = []
    for cell in experiment.cells():
        if cell.request.is_external:
            continue
        try:
            entry = registry().entry(cell.request.method)
            if cell.request.full_ranking and "sampled" in experiment.candidates and not entry.ranks_catalogue:
                continue
            request = sized(cell.request.used_by(entry), experiment.scale)
            completed.append((request, complete(request)))
        except BenchError as error:
            place = f"Row {numbers[id(cell.row)]} of '{experiment.name}' ({cell.row.label})"
            raise BenchError(f"{place}: {error}") from error
    return completed


def external_rows(experiment: Experiment) -> list[str]:
    """Return the labels of the rows whose scores another program computes."""
    return [row.label for row in experiment.rows if row.method.startswith(EXTERNAL)]


def sized(request: RunRequest, scale: Scale) -> RunRequest:
    """Return a request whose parameters are limited to the sizes of a scale."""
    sizes = sizes_of(request.method, scale, registry())
    return dataclasses.replace(request, params=with_sizes(request.params, sizes))
