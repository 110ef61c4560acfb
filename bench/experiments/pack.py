"""Pack the runs of a store by experiment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.experiments.complete import complete_experiment
from bench.runs.packs import write_packs

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

OTHER = "other"
"""The pack of runs that do not belong to an experiment."""


def pack_store(store: RunStore, records: Iterable[RunRecord], experiments: Iterable[Experiment]) -> dict[str, int]:
    """Write all runs of a store as one pack per experiment; return the number of runs in each pack.

    Args:
        store: The store; the directories of its runs are removed afterwards.
        records: Its records, in the current format.
        experiments: A run of several experiments is packed with the first one.
    """
    packs = dict(_grouped({record.id: record for record in records}, experiments))
    loose = list(store.loose())
    write_packs(store.results_dir, packs, store.queries)
    for run_id in loose:
        store.remove_folder(run_id)
    return {name: len(runs) for name, runs in packs.items()}


def _grouped(records: dict[str, RunRecord], experiments: Iterable[Experiment]) -> Iterator[tuple[str, list[RunRecord]]]:
    """Yield each experiment's name with its runs; each run is yielded once."""
    left = dict(records)
    for experiment in experiments:
        runs = [left.pop(run_id) for run_id in _ids(experiment) if run_id in left]
        if runs:
            yield experiment.name, runs
    if left:
        yield OTHER, list(left.values())


def _ids(experiment: Experiment) -> list[str]:
    try:
        return [spec.hash() for _, spec in complete_experiment(experiment)]
    except BenchError:  # an experiment with a row that cannot be run here has no runs here
        return []
