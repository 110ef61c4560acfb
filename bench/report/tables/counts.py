"""Tables of dataset statistics, from the statistics stored with the runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.counts import kept_statistics
from bench.errors import BenchError
from bench.report.tables.options import DEFAULT_OPTIONS, TableOptions, flag_of
from bench.report.tables.table import Cell, ColumnGroup, Table, TableRow
from bench.report.tables.texts import count_text

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment, ExperimentDataset

GROUP = ColumnGroup(dataset="", setting="", policy="", title="")
"""The group of all columns; statistics do not have a setting."""


COUNTED_OPTIONS = ("caption", "label", "notes", "align", "columns")
"""Options that apply to statistics."""


def counts_table(experiment: Experiment, results_dir: Path, options: TableOptions = DEFAULT_OPTIONS) -> Table:
    """Build a table of dataset statistics; a dataset without stored statistics leaves dashes and the command.

    Raises:
        BenchError: an option is for scores.
    """
    wrong = [flag_of(name) for name in options.given if name not in COUNTED_OPTIONS]
    if wrong:
        raise BenchError(f"Table '{experiment.name}' shows statistics, not scores: remove {' and '.join(wrong)}.")
    kept = {dataset.name: kept_statistics(dataset.name, results_dir) for dataset in experiment.datasets}
    rows = tuple(_row(experiment, dataset, kept[dataset.name]) for dataset in experiment.datasets)
    notes = [
        f"{dataset.title}: {note.rstrip('.')}."
        for dataset in experiment.datasets
        for note in (kept[dataset.name] or {}).get("notes", [])
    ]
    is_missing = any(counted is None for counted in kept.values())
    return Table(
        name=experiment.name,
        caption=options.caption or experiment.caption,
        groups=(GROUP,),
        metrics=experiment.statistics,
        rows=rows,
        row_title="Dataset",
        footnotes=tuple(dict.fromkeys(notes)),
        missing=(f"bench reproduce {experiment.name}",) if is_missing else (),
        options=options,
    )


def _row(experiment: Experiment, dataset: ExperimentDataset, kept: dict[str, Any] | None) -> TableRow:
    cells = [Cell() if kept is None else _cell(name, kept[name]) for name in experiment.statistics]
    return TableRow(label=dataset.title, method=dataset.name, cells=tuple(cells), reference=True)


def _cell(name: str, value: float) -> Cell:
    return Cell(text=count_text(name, value), value=value)
