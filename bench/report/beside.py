"""Printed figures beside ours: the difference of each cell and a verdict on it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from tabulate import tabulate

from bench.audit import ROUNDING, is_possible
from bench.errors import BenchError
from bench.experiment import Experiment, ExperimentRow, PublishedReference
from bench.published import published_cell, published_language_model, published_source
from bench.registry import Registry
from bench.report.slots import known_entry
from bench.report.table import (
    MISSING_TEXT,
    PERCENT_SIGN,
    CatalogueGroup,
    Cell,
    ColumnGroup,
    Table,
    TableRow,
    figure,
    in_percent,
    metric_title,
)

NEAR = 0.02
"""A figure this far below the printed one is within what one repetition differs from the next in these papers."""
WITHIN = f"within {NEAR}"
LANGUAGE_MODEL_FAMILIES = ("language-model", "merging", "integrating")
"""Families whose figures belong to the backbone as much as to the method."""
FIGURES = ("ours", "printed", "difference")
"""Fields of a comparison that are figures."""
TABULATE_FORMATS = {"text": "simple", "markdown": "pipe", "latex": "latex_booktabs"}


@dataclass(frozen=True)
class Beside:
    """One cell of ours and the printed figure that stands for the same thing."""

    row: str
    dataset: str
    setting: str
    metric: str
    ours: float | None
    """None where no run is stored."""
    printed: float
    source: str
    """Paper and table."""
    difference: float | None
    verdict: str
    """``at or above``, ``within 0.02``, ``below``, ``not run`` or ``not comparable: why``."""


def beside_published(experiment: Experiment, table: Table, registry: Registry) -> list[Beside]:
    """Put each figure that a paper printed beside ours; ``table`` was built from ``experiment``.

    Raises:
        BenchError: the experiment names no published table, or none of its cells was printed.
    """
    if not experiment.published:
        raise BenchError(f"Experiment '{experiment.name}' names no published tables (key 'published').")
    rows = list(zip(experiment.rows, table.rows, strict=True))
    found = [cell for row, printed in rows for cell in _of_row(experiment, row, printed, table, registry)]
    if not found:
        raise BenchError(f"No cell of experiment '{experiment.name}' was printed in the tables that it names.")
    return found


def verdict(ours: float | None, printed: float, reason: str = "") -> str:
    """Return the verdict on a figure; ``reason`` says why the two cannot be compared, empty where they can."""
    if reason:
        return f"not comparable: {reason}"
    if ours is None:
        return "not run"
    if ours >= printed - ROUNDING:
        return "at or above"
    return WITHIN if ours >= printed - NEAR else "below"


def render_beside(cells: list[Beside], output_format: str, percent: bool = False) -> str:
    """Return the comparison as text, Markdown, LaTeX, CSV or JSON; BenchError for another format.

    ``percent`` prints both sides in percent, as the heads then say; JSON keeps fractions, and CSV names its unit.
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
    if output_format not in TABULATE_FORMATS:
        raise BenchError(f"Published figures cannot be printed as '{output_format}'; use text, markdown or csv.")
    unit = PERCENT_SIGN * percent
    figures = ["Ours" + unit, "Printed" + unit, "Difference" + unit]
    headers = ["Method", "Data", "Metric", *figures, "Verdict", "Source"]
    rows = [
        [
            cell.row,
            f"{cell.dataset}, {cell.setting}",
            metric_title(cell.metric),
            MISSING_TEXT if cell.ours is None else figure(cell.ours, percent),
            figure(cell.printed, percent),
            MISSING_TEXT if cell.difference is None else figure(cell.difference, percent, "+"),
            _verdict_text(cell.verdict, percent),
            cell.source,
        ]
        for cell in cells
    ]
    alignment = ["left"] * 3 + ["right"] * 3 + ["left"] * 2
    return tabulate(rows, headers, TABULATE_FORMATS[output_format], disable_numparse=True, colalign=alignment) + "\n"


def _tidy(name: str, value: Any, percent: bool) -> Any:
    if not percent or value is None:
        return value
    return in_percent(value) if name in FIGURES else _verdict_text(value, percent) if name == "verdict" else value


def _verdict_text(text: str, percent: bool) -> str:
    return text.replace(WITHIN, f"within {figure(NEAR, percent)}") if percent else text


def _of_row(
    experiment: Experiment, row: ExperimentRow, printed: TableRow, table: Table, registry: Registry
) -> Iterator[Beside]:
    cells = zip(table.columns, printed.cells, strict=True)
    for (group, metric), cell in cells:
        if isinstance(group, CatalogueGroup):  # what was printed is of sampled lists
            continue
        for reference in experiment.published:
            if reference.setting == group.setting:
                yield from _of_cell(reference, row, printed, (group, metric, cell), experiment, registry)


def _of_cell(
    reference: PublishedReference,
    row: ExperimentRow,
    printed_row: TableRow,
    place: tuple[ColumnGroup, str, Cell],
    experiment: Experiment,
    registry: Registry,
) -> Iterator[Beside]:
    group, metric, cell = place
    figures = published_cell(reference.paper, reference.table, row.method, group.dataset)
    printed = figures.get(metric)
    if printed is None:
        return
    entry = known_entry(registry, row.method)
    backbone = row.backbone or experiment.backbone
    papers_model = published_language_model(reference.paper)
    reason = reference.not_comparable
    if printed_row.toy:
        reason = "toy backbone"
    elif entry is not None and entry.family in LANGUAGE_MODEL_FAMILIES and backbone != papers_model:
        reason = f"backbone {backbone}, the paper's {papers_model}"
    elif not is_possible(figures):
        reason = "no ranking has the printed figures"
    yield Beside(
        row=printed_row.label,
        dataset=group.dataset,
        setting=group.setting,
        metric=metric,
        ours=cell.value,
        printed=printed,
        source=f"{published_source(reference.paper).split(' (')[0]} {reference.table}",
        difference=None if cell.value is None else cell.value - printed,
        verdict=verdict(cell.value, printed, reason),
    )
