"""The cells of the leaderboards, as text and as values to sort by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from bench.plugin import Family
from bench.plugin.entry import displayed_family
from bench.report.page.content import BoardRow
from bench.report.page.number_text import brief, percent, score, seconds, size, thousands

if TYPE_CHECKING:
    from bench.report.page.content import Board, Figure, Page

NONE = "–"
N_COLORS = 7


@dataclass(frozen=True)
class Head:
    """The head of a column."""

    key: str
    title: str
    better: str
    """The direction in which the best row comes first: ``ascending`` or ``descending``."""
    hint: str = ""
    """What the column contains, if the title does not say it."""


@dataclass(frozen=True)
class TableCell:
    """A cell: its text, and the value by which rows are sorted."""

    text: str
    value: float | str | None
    mark: str = ""
    """``best``, ``starred``, ``second`` or empty."""
    spread: str = ""
    """Standard deviation over seeds."""
    interval: str = ""
    """95% interval."""


@dataclass(frozen=True)
class Quality:
    """A column that is not a metric."""

    head: Head
    value_of: Callable[[BoardRow], float | None]
    shown: Callable[[float], str]


def _flips(row: BoardRow) -> float | None:
    return next((one.flip_rate for one in row.repetitions if one.over == "candidate order"), None)


QUALITIES = (
    Quality(Head("tie_rate", "Ties", "ascending", "Queries with ties"), lambda row: row.tie_rate, percent),
    Quality(
        Head("training_seconds", "Training", "ascending", "Training time, including cached adapters"),
        lambda row: row.cost.training_seconds,
        seconds,
    ),
    Quality(
        Head("users_per_second", "Users/s", "descending", "Users scored per second"),
        lambda row: row.cost.users_per_second,
        brief,
    ),
    Quality(
        Head("peak_memory_bytes", "Memory", "ascending", "Peak memory of the process"),
        lambda row: row.cost.peak_memory_bytes,
        size,
    ),
    Quality(
        Head("trained_parameters", "Parameters", "ascending", "Trained parameters"),
        lambda row: row.cost.trained_parameters,
        thousands,
    ),
    Quality(
        Head("popularity_ratio", "Pop. ratio", "ascending", "Popularity of top-ranked items, divided by the targets'"),
        lambda row: None if row.bias is None else row.bias.ratio,
        brief,
    ),
    Quality(
        Head("flip_rate", "Flips", "ascending", "Top items that change with the order of the candidates"),
        _flips,
        percent,
    ),
)


def heads(page: Page) -> list[Head]:
    """Return the heads of all columns after the method's."""
    titles = zip(page.metrics, page.metric_titles, strict=True)
    return [*(Head(key, title, "descending") for key, title in titles), *(one.head for one in QUALITIES)]


def cells(row: BoardRow) -> Iterator[TableCell]:
    """Yield the cells of a row after the method's, in the order of :func:`heads`."""
    for figure in row.figures:
        yield _metric(figure)
    for quality in QUALITIES:
        value = quality.value_of(row)
        yield TableCell(NONE if value is None else quality.shown(value), value)


def groups(board: Board, metric: int) -> list[list[tuple[int, BoardRow]]]:
    """Return the rows of each method with their places on the board, best first, in the order of their best rows."""
    by_method: dict[str, list[tuple[int, BoardRow]]] = {}
    for place, row in enumerate(board.rows):
        by_method.setdefault(row.method, []).append((place, row))
    found = [sorted(rows, key=lambda item: (not item[1].best, -_value(item[1], metric))) for rows in by_method.values()]
    return sorted(found, key=lambda rows: -_value(rows[0][1], metric))


def marks(row: BoardRow) -> str:
    """Return the marks of a row, which the page explains."""
    found = (("†toy", row.toy), ("‡", row.transductive), ("↗", row.ended not in ("", "converged")))
    return " ".join(mark for mark, is_set in found if is_set)


def color_of(family: str) -> int:
    """Return the number of a family's color and shape; an unknown family has the first one's."""
    known = get_args(Family)
    return known.index(family) % N_COLORS if family in known else 0


def words_of(row: BoardRow) -> str:
    """Return the text that a search looks through."""
    words = [row.label, row.name, row.variant, row.family, displayed_family(row.family), *row.run_ids]
    return " ".join(words).casefold()


def _metric(figure: Figure | None) -> TableCell:
    if figure is None:
        return TableCell(NONE, None)
    spread = "" if figure.sd is None else f"± {score(figure.sd)}"
    return TableCell(
        score(figure.value), figure.value, figure.mark, spread, f"{score(figure.low)}–{score(figure.high)}"
    )


def _value(row: BoardRow, metric: int) -> float:
    figure = row.figures[metric]
    return -1.0 if figure is None else figure.value
