"""Comparison of our results with published ones: the difference and a verdict per cell."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from bench.data.counts import verdict as count_verdict
from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow, PublishedReference
from bench.experiments.scale import SCALES
from bench.papers.audit import is_possible
from bench.papers.printed import (
    PrintedCell,
    find_cell,
    other_data,
    printed_cells,
    published_language_model,
    published_sources,
    published_title,
)
from bench.report.papers.verdict import NEAR, WITHIN, verdict
from bench.report.tables.layout import known_entry
from bench.report.tables.table import GRID_FORMATS, CatalogueGroup, Cell, ColumnGroup, Table, TableRow
from bench.report.tables.texts import (
    COUNT_TITLES,
    MISSING_TEXT,
    PERCENT_SIGN,
    count_text,
    figure,
    in_percent,
    metric_title,
)

if TYPE_CHECKING:
    from bench.registry import Registry

ADAPTED_MODELS = ("encoder", "decoder")
"""Kinds of language models that determine a method's results as much as the method itself."""
FIGURES = ("ours", "printed", "difference")
"""Numeric fields of a comparison."""


@dataclass(frozen=True)
class Beside:
    """One of our scores and the corresponding published score."""

    row: str
    dataset: str
    setting: str
    metric: str
    ours: float | None
    """None if no run is stored."""
    printed: float
    source: str
    """Paper and table."""
    difference: float | None
    verdict: str
    """``at or above``, ``within 0.02``, ``below``, ``below, not converged: why``, ``not run``, ``not comparable: why``
    or ``no counterpart: why``."""


def beside_published(experiment: Experiment, table: Table, registry: Registry) -> list[Beside]:
    """Compare each published score with ours; ``table`` was built from ``experiment``.

    For a published table that the experiment reproduces, scores without a counterpart here are listed at the end.

    Raises:
        BenchError: the experiment lists no published table, or the published tables contain none of its cells.
    """
    if not experiment.published:
        raise BenchError(f"Experiment '{experiment.name}' does not list published tables (key 'published').")
    found = list(_pairs(experiment, table))
    if not found:
        raise BenchError(f"The published tables of experiment '{experiment.name}' contain none of its cells.")
    ours = [_beside(pair, experiment, registry) for pair in found]
    reproduced = {(place.paper, place.place) for place in experiment.reproduces}
    references = {(one.paper, one.table): one for one in experiment.published if (one.paper, one.table) in reproduced}
    return ours + [cell for one in references.values() for cell in _without_counterpart(one, found, table)]


def counts_beside_published(experiment: Experiment, table: Table) -> list[Beside]:
    """Compare published dataset statistics with ours; raise BenchError if the experiment lists no published table."""
    if not experiment.published:
        raise BenchError(f"Experiment '{experiment.name}' does not list published tables (key 'published').")
    return [
        beside
        for dataset, row in zip(experiment.datasets, table.rows, strict=True)
        for beside in _beside_row(experiment, dataset, row)
    ]


def render_beside(cells: list[Beside], output_format: str, percent: bool = False) -> str:
    """Return the comparison as text, Markdown, LaTeX, CSV or JSON; BenchError for another format.

    ``percent`` shows both sides in percent, as stated in the headers; JSON always contains fractions.
    """
    if output_format == "json":
        return json.dumps([asdict(cell) for cell in cells], indent=2, ensure_ascii=False) + "\n"
    if output_format == "csv":
        stream = io.StringIO()
        names = [field.name for field in fields(Beside)]
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([f"{name}_percent" if percent and name in FIGURES else name for name in names])
        writer.writerows([_tidy(name, getattr(cell, name), percent) for name in names] for cell in cells)
        return stream.getvalue()
    if output_format not in GRID_FORMATS:
        raise BenchError(f"Published results cannot be printed as '{output_format}'; expected text, markdown or csv.")
    unit = PERCENT_SIGN * percent
    figures = ["Ours" + unit, "Published" + unit, "Difference" + unit]
    headers = ["Method", "Data", "Metric", *figures, "Verdict", "Source"]
    rows = [
        [
            cell.row,
            ", ".join(filter(None, [cell.dataset, cell.setting])),
            metric_title(cell.metric),
            _figure(cell.metric, cell.ours, percent),
            _figure(cell.metric, cell.printed, percent),
            _figure(cell.metric, cell.difference, percent, "+"),
            _verdict_text(cell.verdict, percent),
            cell.source,
        ]
        for cell in cells
    ]
    alignment = ["left"] * 3 + ["right"] * 3 + ["left"] * 2
    grid = tabulate(rows, headers, GRID_FORMATS[output_format], disable_numparse=True, colalign=alignment)
    return grid + "\n" + ("" if output_format == "latex" else f"\n{_summary(cells, percent)}\n")


def _summary(cells: list[Beside], percent: bool) -> str:
    """Return the number of published scores per verdict."""
    counts = Counter(_verdict_text(re.split(":| by ", cell.verdict)[0], percent) for cell in cells)
    return f"{len(cells):,} published scores: {', '.join(f'{count:,} {verdict}' for verdict, count in counts.items())}."


def _figure(metric: str, value: float | None, percent: bool, sign: str = "") -> str:
    if value is None:
        return MISSING_TEXT
    return count_text(metric, value, sign) if metric in COUNT_TITLES else figure(value, percent, sign)


def _tidy(name: str, value: Any, percent: bool) -> Any:
    if not percent or value is None:
        return value
    return in_percent(value) if name in FIGURES else _verdict_text(value, percent) if name == "verdict" else value


def _verdict_text(text: str, percent: bool) -> str:
    return text.replace(WITHIN, f"within {figure(NEAR, percent)}") if percent else text


@dataclass(frozen=True)
class _Pair:
    """One of our cells with its place, and the corresponding published cell."""

    reference: PublishedReference
    row: ExperimentRow
    table_row: TableRow
    group: ColumnGroup
    metric: str
    cell: Cell
    printed: PrintedCell


def _pairs(experiment: Experiment, table: Table) -> Iterator[_Pair]:
    datasets = {dataset.name: dataset for dataset in experiment.datasets}
    for row, table_row in zip(experiment.rows, table.rows, strict=True):
        for (group, metric), cell in zip(table.columns, table_row.cells, strict=True):
            if isinstance(group, CatalogueGroup):  # published results are on sampled candidates
                continue
            for reference in experiment.published:
                is_wanted = experiment.wants(row, datasets[group.dataset], reference.setting)
                if reference.setting == group.setting and is_wanted:
                    names, place = (row.label, row.method), (group.dataset, group.setting, row.train_share)
                    printed = find_cell(reference.paper, reference.table, names, *place)
                    if printed is not None and metric in printed.figures:
                        yield _Pair(reference, row, table_row, group, metric, cell, printed)


def _beside(pair: _Pair, experiment: Experiment, registry: Registry) -> Beside:
    ours, printed = pair.cell.value, pair.printed.figures[pair.metric]
    return Beside(
        row=pair.table_row.label,
        dataset=pair.group.dataset,
        setting=pair.group.setting,
        metric=pair.metric,
        ours=ours,
        printed=printed,
        source=_source(pair.reference),
        difference=None if ours is None else ours - printed,
        verdict=verdict(ours, printed, "; ".join(_reasons(pair, experiment, registry)), pair.cell.ended),
    )


def _beside_row(experiment: Experiment, dataset: ExperimentDataset, row: TableRow) -> Iterator[Beside]:
    """Yield each published statistic of a dataset."""
    for reference in experiment.published:
        printed = find_cell(reference.paper, reference.table, (dataset.name, dataset.title), "")
        for name, cell in zip(experiment.statistics, row.cells, strict=True):
            if printed is not None and name in printed.figures:
                theirs = printed.figures[name]
                yield Beside(
                    row=row.label,
                    dataset=dataset.name,
                    setting="",
                    metric=name,
                    ours=cell.value,
                    printed=theirs,
                    source=_source(reference),
                    difference=None if cell.value is None else round(cell.value - theirs, 4),
                    verdict="not counted" if cell.value is None else count_verdict(cell.value, theirs),
                )


def _reasons(pair: _Pair, experiment: Experiment, registry: Registry) -> Iterator[str]:
    """Yield each reason why our score and the published one are not comparable."""
    reference, entry = pair.reference, known_entry(registry, pair.row.method)
    backbone = pair.row.backbone or experiment.backbone
    papers_model = published_language_model(reference.paper, reference.table)
    if experiment.scale.name == SCALES["smoke"].name:
        yield "scale smoke"
    if pair.table_row.toy:
        yield "toy backbone"
    elif entry is not None and entry.runs_on in ADAPTED_MODELS and backbone != papers_model:
        yield f"backbone {backbone} instead of the paper's {papers_model}"
    if not _is_possible(tuple(pair.printed.figures.items())):
        yield "the reported numbers are inconsistent"
    data = other_data(reference.paper, pair.group.dataset)
    if data:
        yield f"different data ({data})"
    sources = published_sources(reference.paper, reference.table, pair.group.dataset)
    if sources and entry is not None and entry.needs_sources and sources != _sources(pair, experiment):
        yield "different source datasets"
    if reference.not_comparable:
        yield reference.not_comparable


def _sources(pair: _Pair, experiment: Experiment) -> tuple[str, ...]:
    of_dataset = {dataset.name: dataset.sources for dataset in experiment.datasets}
    return tuple(sorted(of_dataset[pair.group.dataset] if pair.row.sources is None else pair.row.sources))


@cache
def _is_possible(figures: tuple[tuple[str, float], ...]) -> bool:
    return is_possible(dict(figures))


def _without_counterpart(reference: PublishedReference, found: list[_Pair], table: Table) -> Iterator[Beside]:
    """Yield the published scores of one table without a counterpart here, each with the reason."""
    own = [pair for pair in found if (pair.reference.paper, pair.reference.table) == (reference.paper, reference.table)]
    beside = {(pair.printed.row, pair.printed.column, pair.metric) for pair in own}
    rows, columns = {pair.printed.row for pair in own}, {pair.printed.column for pair in own}
    for printed in printed_cells(reference.paper, reference.table):
        for metric, value in printed.figures.items():
            if metric in table.metrics and (printed.row, printed.column, metric) not in beside:
                reason = "no such row here" if printed.row not in rows else "not run on this dataset"
                yield Beside(
                    row=printed.row,
                    dataset=printed.column,
                    setting=reference.setting,
                    metric=metric,
                    ours=None,
                    printed=value,
                    source=_source(reference),
                    difference=None,
                    verdict=f"no counterpart: {reason if printed.column in columns else 'no such column here'}",
                )


def _source(reference: PublishedReference) -> str:
    return f"{published_title(reference.paper)} {reference.table}"
