"""Plots as data: panels of points with confidence intervals, computed from an experiment's table and runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentRow, FigureSpec
from bench.report.tables.table import Cell, Table
from bench.report.tables.texts import metric_title
from bench.runs.store import RunStore

if TYPE_CHECKING:
    from bench.plugin import FitReport

N_SOURCES = "n_sources"
"""Name of the x value for plots over the number of source datasets."""


@dataclass(frozen=True)
class Point:
    """One score of the table and its position."""

    x: float
    y: float
    low: float | None = None
    """Lower end of the 95% bootstrap interval over users; None for values that are not means over users."""
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """Points of one line, or the dots of one row."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    y_label: str
    series: tuple[Series, ...]
    levels: tuple[Series, ...] = ()
    """Rows without an x value, with one point each; drawn as horizontal lines."""

    @property
    def is_empty(self) -> bool:
        """Whether no runs are stored for the panel."""
        return not any(series.points for series in (*self.series, *self.levels))


@dataclass(frozen=True)
class Figure:
    """A grid of panels, with one row per metric and one column per dataset and setting (one column for dots)."""

    name: str
    kind: str
    """``lines`` or ``dots``."""
    x_label: str
    panels: tuple[tuple[Panel, ...], ...]
    ticks: tuple[str, ...] = ()
    """Labels of the groups of dots, at x = 0, 1, 2 …"""


def figure_of(experiment: Experiment, table: Table, store: RunStore) -> Figure:
    """Return the plot defined by an experiment; ``table`` was built from the experiment and ``store``.

    Raises:
        BenchError: the experiment does not define a plot, or no run is stored.
    """
    spec = experiment.figure
    if spec is None:
        raise BenchError(f"Experiment '{experiment.name}' does not define a plot (key 'figure').")
    if not any(cell.run_ids for row in table.rows for cell in row.cells):
        raise BenchError(f"No runs of '{experiment.name}' are stored. Run 'bench reproduce {experiment.name}'.")
    source = _Source(experiment, spec, table, store)
    if spec.kind == "dots":
        titles = tuple(group.title for group in table.groups)
        return Figure(experiment.file_name, "dots", "", tuple((source.dots(y),) for y in spec.y), titles)
    panels = tuple(tuple(source.lines(y, number) for number in range(len(table.groups))) for y in spec.y)
    return Figure(experiment.file_name, "lines", spec.x_label, panels)


@dataclass(frozen=True)
class _Source:
    """The data from which the panels' points are computed."""

    experiment: Experiment
    spec: FigureSpec
    table: Table
    store: RunStore

    def dots(self, y: str) -> Panel:
        """Return the panel of one y: a group of dots per column group, with one dot per row."""
        series = []
        for row, cells in self._rows(y):
            places = enumerate(cells)
            series.append(Series(row.label, tuple(p for x, cell in places for p in self._points(y, float(x), cell))))
        return Panel("", self._y_label(y), tuple(series))

    def lines(self, y: str, group: int) -> Panel:
        """Return the panel of one y and column group."""
        lines: dict[str, list[Point]] = {}
        levels = []
        for row, cells in self._rows(y):
            x = x_of(row, self.spec.x)
            points = list(self._points(y, 0.0 if x is None else x, cells[group]))
            if x is None:
                levels += [Series(row.label, (point,)) for point in points]
            else:
                lines.setdefault(self.spec.lines.get(row.method, row.method), []).extend(points)
        series = [Series(label, tuple(sorted(points, key=lambda p: p.x))) for label, points in lines.items() if points]
        return Panel(self.table.groups[group].title, self._y_label(y), tuple(series), tuple(levels))

    def _rows(self, y: str) -> Iterator[tuple[ExperimentRow, list[Cell]]]:
        """Yield each row with its cells of all column groups; reported numbers use the first metric's cells."""
        metrics = self.table.metrics
        column = metrics.index(y) if y in metrics else 0
        for row, table_row in zip(self.experiment.rows, self.table.rows, strict=True):
            yield row, list(table_row.cells[column :: len(metrics)])

    def _points(self, y: str, x: float, cell: Cell) -> Iterator[Point]:
        scale = 100 if self.table.percent else 1
        if cell.value is None:
            return
        if y in self.table.metrics:
            low, high = (None if end is None else scale * end for end in (cell.low, cell.high))
            yield Point(x, scale * cell.value, low, high)
        else:
            reported = [number for run in cell.run_ids for number in _numbers(_reported(self.store.load(run).fit, y))]
            if reported:
                yield Point(x, sum(reported) / len(reported))

    def _y_label(self, y: str) -> str:
        if y not in self.table.metrics:
            return self.spec.y_labels[y]
        return f"{metric_title(y)}{' (%)' if self.table.percent else ''}, mean over users"


def x_of(row: ExperimentRow, name: str) -> float | None:
    """Return a row's x value: its own, or its parameter or field with this name; None if it has neither."""
    if row.x is not None:
        return row.x
    if name == N_SOURCES:
        return None if row.sources is None else float(len(row.sources))
    if name == "train_share" and row.train_share == 1:
        return None
    found = [*_numbers(row.params.get(name)), *_numbers(getattr(row, name, None))]
    return found[0] if found else None


def _reported(fit: FitReport, path: str) -> Any:
    """Return the value in a report at a path such as ``merge.weights.specific``; None if there is none."""
    stated: Any = fit.to_json()
    for name in path.split("."):
        stated = stated.get(name) if isinstance(stated, dict) else None
    return stated


def _numbers(value: Any) -> list[float]:
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
