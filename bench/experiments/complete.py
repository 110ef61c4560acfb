"""From a table's planned runs to specs: what a method does not use of the table's defaults is left out."""

from __future__ import annotations

import dataclasses

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, PlannedRun
from bench.registry import registry
from bench.runs.complete import complete_spec
from bench.spec import RunSpec


def complete_planned(planned: PlannedRun) -> RunSpec:
    """Complete a table's planned run; what the method does not use of the table's defaults is left out."""
    entry = registry().entry(planned.method)
    return complete_spec(
        planned.method,
        planned.protocol,
        params=sized(planned).params,
        seed=planned.seed,
        sources=planned.sources if entry.needs_sources else (),
        backbone=planned.backbone if entry.needs_backbone else None,
        ranking=planned.ranking if entry.needs_backbone else None,
        limit_queries=planned.limit_queries,
        train_share=planned.train_share,
        train_users=planned.train_users,
        train_subset=planned.train_subset,
        full_ranking=planned.full_ranking,
        limit_validation=planned.limit_validation,
    )


def complete_experiment(experiment: Experiment) -> list[tuple[PlannedRun, RunSpec]]:
    """Return every run of a table with its spec; BenchError names the row that cannot be run.

    Beside frozen lists, full ranking is left out for a method that ranks lists alone.
    """
    numbers = {id(row): number for number, row in enumerate(experiment.rows, start=1)}
    completed = []
    for cell in experiment.cells():
        try:
            if _is_left_out(cell.run, experiment):
                continue
            completed.append((sized(cell.run), complete_planned(cell.run)))
        except BenchError as error:
            place = f"Row {numbers[id(cell.row)]} of '{experiment.name}' ({cell.row.label})"
            raise BenchError(f"{place}: {error}") from error
    return completed


def _is_left_out(planned: PlannedRun, experiment: Experiment) -> bool:
    has_lists = "sampled" in experiment.candidates
    return planned.full_ranking and has_lists and not registry().entry(planned.method).ranks_catalogue


def sized(planned: PlannedRun) -> PlannedRun:
    """Return a planned run whose scale is written out in its parameters, where the method has such parameters."""
    if not planned.sizes:
        return planned
    known = {field.name for field in dataclasses.fields(registry().recommender(planned.method).Params)}
    sizes = {name: count for name, count in planned.sizes.items() if name in known}
    return dataclasses.replace(planned, params={**sizes, **planned.params}, sizes={})
