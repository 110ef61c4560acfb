"""Tables of counts: a row for each dataset, from the counts that are kept beside the runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.data.counts import verdict
from bench.data.statistics import kept_statistics
from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset
from bench.papers.printed import find_cell, published_title
from bench.report.papers.printed_beside_ours import Beside
from bench.report.tables.table import Cell, ColumnGroup, Table, TableRow, count_text

GROUP = ColumnGroup(dataset="", setting="", policy="", title="")
"""All columns: counts are of no setting."""


def counts_table(experiment: Experiment, results_dir: Path) -> Table:
    """Build a table of counts; a dataset that was not counted leaves dashes and the command."""
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
        caption=experiment.caption,
        groups=(GROUP,),
        metrics=experiment.statistics,
        rows=rows,
        row_title="Dataset",
        footnotes=tuple(dict.fromkeys(notes)),
        missing=(f"bench reproduce {experiment.name}",) if is_missing else (),
    )


def counts_beside_published(experiment: Experiment, table: Table) -> list[Beside]:
    """Put each printed count beside ours; raise BenchError where the experiment names no published table."""
    if not experiment.published:
        raise BenchError(f"Experiment '{experiment.name}' names no published tables (key 'published').")
    return [
        beside
        for dataset, row in zip(experiment.datasets, table.rows, strict=True)
        for beside in _beside_row(experiment, dataset, row)
    ]


def _row(experiment: Experiment, dataset: ExperimentDataset, kept: dict[str, Any] | None) -> TableRow:
    cells = [Cell() if kept is None else _cell(name, kept[name]) for name in experiment.statistics]
    return TableRow(label=dataset.title, method=dataset.name, cells=tuple(cells), reference=True)


def _cell(name: str, value: float) -> Cell:
    return Cell(text=count_text(name, value), value=value)


def _beside_row(experiment: Experiment, dataset: ExperimentDataset, row: TableRow) -> list[Beside]:
    found = []
    for reference in experiment.published:
        printed = find_cell(reference.paper, reference.table, (dataset.name, dataset.title), "")
        for name, cell in zip(experiment.statistics, row.cells, strict=True):
            if printed is not None and name in printed.figures:
                theirs = printed.figures[name]
                found.append(
                    Beside(
                        row=row.label,
                        dataset=dataset.name,
                        setting="",
                        metric=name,
                        ours=cell.value,
                        printed=theirs,
                        source=f"{published_title(reference.paper)} {reference.table}",
                        difference=None if cell.value is None else round(cell.value - theirs, 4),
                        verdict="not counted" if cell.value is None else verdict(cell.value, theirs),
                    )
                )
    return found
