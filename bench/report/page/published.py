"""Published results compared with the stored runs, one table per published table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.experiments.reader import experiment_names, load_experiment
from bench.papers.printed import published_address, published_papers, published_title
from bench.report.page.chosen_runs import ChosenRuns
from bench.report.page.links import paper_link
from bench.report.page.names import dataset_name
from bench.report.page.overview_content import PublishedCell, PublishedTable
from bench.report.papers.printed_beside_ours import Beside, beside_published
from bench.report.tables.build import build_table

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.registry import Registry
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

DECIMALS = 6


def published_tables_of(
    records: Sequence[RunRecord], store: RunStore, registry: Registry
) -> tuple[tuple[PublishedTable, ...], tuple[str, ...]]:
    """Return the published tables with a stored counterpart, and the reasons why others cannot be compared.

    Our scores come from the tables of the shipped experiments. A score in several experiments is listed once.
    """
    found: dict[str, PublishedTable] = {}
    refused = []
    for experiment in _experiments():
        own = [record for record in records if _is_of(record, experiment)]
        if not own:
            continue
        try:
            table = build_table(experiment, ChosenRuns.of(store, tuple(own)), registry)
        except BenchError as error:
            refused.append(f"{experiment.name}: {error}")
            continue
        with suppress(BenchError):  # the published tables contain none of its cells
            _add(found, experiment.name, beside_published(experiment, table, registry))
    return tuple(table for _, table in sorted(found.items()) if table.cells), tuple(refused)


def _experiments() -> Iterator[Experiment]:
    for name in experiment_names():
        experiment = load_experiment(name)
        if experiment.published and not experiment.statistics:
            yield replace(experiment, star_metrics=())


def _is_of(record: RunRecord, experiment: Experiment) -> bool:
    methods = {row.method for row in experiment.rows}
    return record.spec.method in methods and record.spec.protocol.dataset in {one.name for one in experiment.datasets}


def _add(found: dict[str, PublishedTable], experiment: str, cells: Iterable[Beside]) -> None:
    """Add the comparison of one experiment to the published tables by source."""
    for source, own in _by_source(cells).items():
        known = found.get(source) or _empty(source)
        ours = [cell for cell in map(_cell, own) if cell is not None and cell not in known.cells]
        found[source] = replace(
            known,
            cells=(*known.cells, *ours),
            experiments=(*known.experiments, experiment) if ours else known.experiments,
            n_missing=max(known.n_missing, sum(cell.verdict == "not run" for cell in own)),
        )


def _by_source(cells: Iterable[Beside]) -> dict[str, list[Beside]]:
    found: dict[str, list[Beside]] = {}
    for cell in cells:
        found.setdefault(cell.source, []).append(cell)
    return found


def _empty(source: str) -> PublishedTable:
    title, _, table = source.rpartition(" ")
    papers = {published_title(paper): paper for paper in published_papers()}
    return PublishedTable(title, table, paper_link(published_address(papers[title])), (), (), 0)


def _cell(cell: Beside) -> PublishedCell | None:
    """Return a cell of the page; None if no run is stored."""
    if cell.ours is None or cell.difference is None:
        return None
    verdict, _, reason = cell.verdict.partition(": ")
    return PublishedCell(
        row=cell.row,
        dataset=dataset_name(cell.dataset),
        setting=cell.setting,
        metric=cell.metric,
        ours=round(cell.ours, DECIMALS),
        printed=round(cell.printed, DECIMALS),
        difference=round(cell.difference, DECIMALS),
        verdict=verdict,
        reason=reason,
    )
