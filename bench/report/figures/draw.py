"""Draw plots with matplotlib: color-blind safe, readable in black and white, and reproducible."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.files.extras import require
from bench.files.output import written_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from bench.report.figures.figure import Figure, Panel, Point, Series

FORMATS = ("pdf", "png")
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's colors without yellow, plus a brown."""
MARKERS = "osD^vPX*"
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
COLUMN_WIDTH, PAGE_WIDTH = 3.3, 7.0
"""Widths in a two-column paper, in inches."""
PANEL_HEIGHT, LEGEND_HEIGHT = 2.2, 0.7
"""Heights in inches."""
GROUP_WIDTH = 0.8
"""Width of a group of dots, as a fraction of the distance between groups."""
DOTS_PER_INCH = 200
STYLE = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.title_fontsize": 7.0,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,  # text stays text in the PDF
}
UNDATED = {"pdf": {"CreationDate": None, "Producer": None, "Creator": None}, "png": {"Software": None}}


def write_figure(figure: Figure, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write ``folder/NAME.pdf`` and ``.png`` atomically; the same plot gives the same bytes.

    Raises:
        BenchError: matplotlib is not installed.
    """
    require("A plot", "plots")
    import matplotlib.style

    paths = [folder / f"{figure.name}.{suffix}" for suffix in formats]
    with matplotlib.style.context(["default", STYLE]):  # independent of the user's settings
        canvas = draw(figure)
        for path, suffix in zip(paths, formats, strict=True):
            with written_output(path) as temporary:
                canvas.savefig(temporary, format=suffix, dpi=DOTS_PER_INCH, metadata=UNDATED[suffix])
    return paths


def draw(figure: Figure) -> Canvas:
    """Return the drawn plot, using the current matplotlib settings."""
    from matplotlib.figure import Figure as Canvas

    n_rows, n_columns = len(figure.panels), len(figure.panels[0])
    width = _width(figure)
    canvas = Canvas(figsize=(width, PANEL_HEIGHT * n_rows + LEGEND_HEIGHT), layout="constrained")
    axes = canvas.subplots(n_rows, n_columns, squeeze=False)
    styles = _styles(figure)
    for number, (row, panels) in enumerate(zip(axes, figure.panels, strict=True)):
        row[0].set_ylabel(panels[0].y_label)
        for place, panel in zip(row, panels, strict=True):
            place.set_title(panel.title if number == 0 else "")
            if figure.kind == "dots":
                _draw_dots(place, panel, styles)
                place.set_xticks(range(len(figure.ticks)), [tick.replace(", ", "\n") for tick in figure.ticks])
            else:
                _draw_lines(place, panel, styles)
            if panel.is_empty:
                place.text(0.5, 0.5, "no runs stored", transform=place.transAxes, ha="center", color="0.4")
    if figure.x_label:
        canvas.supxlabel(figure.x_label, fontsize="medium")
    handles: dict[str, Any] = {}
    for place in axes.flat:
        for handle, label in zip(*place.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    canvas.legend(
        list(handles.values()),
        list(handles),
        title=f"{'Bands' if figure.kind == 'lines' else 'Bars'}: 95% bootstrap intervals over users",
        loc="outside upper center",
        ncols=_columns(width, handles),
    )
    return canvas


def _draw_lines(place: Axes, panel: Panel, styles: dict[str, int]) -> None:
    from matplotlib.ticker import MaxNLocator

    for series in panel.series:
        style = styles[series.label]
        color, marker = COLORS[style % len(COLORS)], MARKERS[style % len(MARKERS)]
        xs, ys = [point.x for point in series.points], [point.y for point in series.points]
        place.plot(xs, ys, DASHES[0], color=color, marker=marker, label=series.label)
        bounded = _bounded(series)
        if bounded:
            lows, highs = [point.low or 0.0 for point in bounded], [point.high or 0.0 for point in bounded]
            place.fill_between([point.x for point in bounded], lows, highs, color=color, alpha=0.15, linewidth=0)
    if all(point.x.is_integer() for series in panel.series for point in series.points):
        place.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    for series in panel.levels:
        style = styles[series.label]
        color, dash = COLORS[style % len(COLORS)], DASHES[1 + style % (len(DASHES) - 1)]
        place.axhline(series.points[0].y, color=color, linestyle=dash, label=series.label)


def _draw_dots(place: Axes, panel: Panel, styles: dict[str, int]) -> None:
    step = GROUP_WIDTH / max(len(panel.series), 1)
    for number, series in enumerate(panel.series):
        style = styles[series.label]
        color, marker = COLORS[style % len(COLORS)], MARKERS[(style + style // len(COLORS)) % len(MARKERS)]
        shift = (number - (len(panel.series) - 1) / 2) * step
        xs = [point.x + shift for point in series.points]
        place.plot(xs, [point.y for point in series.points], marker, color=color, label=series.label)
        for x, point in zip(xs, series.points, strict=True):
            if point.low is not None and point.high is not None:
                place.plot([x, x], [point.low, point.high], color=color)
    place.grid(visible=False, axis="x")


def _bounded(series: Series) -> list[Point]:
    return [point for point in series.points if point.low is not None and point.high is not None]


def _styles(figure: Figure) -> dict[str, int]:
    """Return a style index per label, which is the same in all panels."""
    panels = [panel for row in figure.panels for panel in row]
    labels = [series.label for panel in panels for series in (*panel.series, *panel.levels)]
    return {label: number for number, label in enumerate(dict.fromkeys(labels))}


def _width(figure: Figure) -> float:
    if figure.kind == "lines":
        return min(COLUMN_WIDTH * len(figure.panels[0]), PAGE_WIDTH)
    n_dots = max(len(row[0].series) for row in figure.panels) * max(len(figure.ticks), 1)
    return min(max(COLUMN_WIDTH, 1.0 + 0.14 * n_dots), PAGE_WIDTH)


def _columns(width: float, labels: Collection[str]) -> int:
    longest = max(map(len, labels), default=1)
    return max(1, min(len(labels), int(width / (0.065 * longest + 0.45))))
