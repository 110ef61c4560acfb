"""A figure as data: panels of points with their intervals, a pure function of an experiment's table and its runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentRow, FigureSpec
from bench.plugin import FitReport
from bench.report.tables.table import Cell, Table, metric_title
from bench.runs.store import RunStore

N_SOURCES = "n_sources"
"""The x of a figure over the number of source domains."""


@dataclass(frozen=True)
class Point:
    """One figure of the table, and where it is drawn."""

    x: float
    y: float
    low: float | None = None
    """Lower end of the 95 % bootstrap interval over users; None for what is no mean over users."""
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """Points that belong together: a line, or the dots of one row."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    y_label: str
    series: tuple[Series, ...]
    levels: tuple[Series, ...] = ()
    """Rows without a place on the axis, each of one point: drawn as lines across the panel."""

    @property
    def is_empty(self) -> bool:
        """Whether no run is stored for anything in it."""
        return not any(series.points for series in (*self.series, *self.levels))


@dataclass(frozen=True)
class Figure:
    """Panels in rows, one a metric, and columns, one a dataset and setting; dots have one column."""

    name: str
    kind: str
    """``lines`` or ``dots``."""
    x_label: str
    panels: tuple[tuple[Panel, ...], ...]
    ticks: tuple[str, ...] = ()
    """What stands under the groups of dots, at x = 0, 1, 2 …"""


def figure_of(experiment: Experiment, table: Table, store: RunStore) -> Figure:
    """Return the figure that an experiment describes; ``table`` was built from it and from ``store``.

    Raises:
        BenchError: the experiment describes no figure, no run is stored, or a row has no such x.
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
    """Where the panels' points come from."""

    experiment: Experiment
    spec: FigureSpec
    table: Table
    store: RunStore

    def dots(self, y: str) -> Panel:
        """Return the panel of one y: a group of dots for each column group, one dot a row."""
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
        """Yield each row with its cell of every column group; a number of the runs takes the first metric's runs."""
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
    """Return where a row is drawn: its own x, else what it has under a name; None for a row that has no such thing."""
    if row.x is not None:
        return row.x
    if name == N_SOURCES:
        return None if row.sources is None else float(len(row.sources))
    if name == "train_share" and row.train_share == 1:
        return None
    found = [*_numbers(row.params.get(name)), *_numbers(getattr(row, name, None))]
    return found[0] if found else None


def _reported(fit: FitReport, path: str) -> Any:
    """Return what a report states under a path such as ``merge.weights.specific``; None where it states nothing."""
    stated: Any = fit.to_json()
    for name in path.split("."):
        stated = stated.get(name) if isinstance(stated, dict) else None
    return stated


def _numbers(value: Any) -> list[float]:
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
