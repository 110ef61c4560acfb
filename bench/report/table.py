"""A table as data: cells with their values, marks and runs, kept apart from every way of printing them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MISSING_TEXT = "–"
"""What a cell without a run shows."""
METRIC_TITLES = {"ndcg": "NDCG", "hit": "Hit", "mrr": "MRR"}
PERCENT_SIGN = " (%)"
"""What stands behind a metric whose figures are printed in percent."""


@dataclass(frozen=True)
class Cell:
    """One figure and how it came about."""

    text: str = MISSING_TEXT
    """The figure as printed, without marks."""
    value: float | None = None
    """Mean over users (and over seeds, where there are several), a fraction; None where no run is stored."""
    low: float | None = None
    """Lower end of the 95 % bootstrap interval of the value over users."""
    high: float | None = None
    """Upper end of it."""
    sd: float | None = None
    """Standard deviation over seeds; None for one seed."""
    n: int = 0
    """Users behind the value."""
    n_seeds: int = 0
    """Seeds behind the value."""
    best: bool = False
    """Highest of its column among the rows that take part."""
    second: bool = False
    """Second highest of its column among the rows that take part."""
    starred: bool = False
    """Best of its column, and different from the second after correction."""
    p_corrected: float | None = None
    """Corrected p-value of the best row against this rival; None for other cells."""
    run_ids: tuple[str, ...] = ()
    """The runs behind the value, one a seed."""
    note: str = ""
    """What a reader must know of this cell alone."""


@dataclass(frozen=True)
class TableRow:
    """One row of figures."""

    label: str
    """What the table prints, without marks."""
    method: str
    """The method's name."""
    cells: tuple[Cell, ...]
    """Group by group, metric by metric."""
    toy: bool = False
    """Whether a run of the row used a toy backbone."""
    transductive: bool = False
    """Whether a run of the row read unlabelled test queries."""
    reference: bool = False
    """Shown for orientation: takes no mark and is no rival."""

    @property
    def marks(self) -> tuple[str, ...]:
        """The signs behind the label: ``†toy`` and ``‡``."""
        return ("†toy",) * self.toy + ("‡",) * self.transductive


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that share their queries and candidates: one dataset in one setting."""

    dataset: str
    setting: str
    policy: str
    title: str
    """What the table prints over the group."""
    candidates_hash: str | None = None
    """Content hash of the candidates of all runs in the group; None where no run is stored."""
    n_queries: int | None = None
    """Test queries of all runs in the group."""


@dataclass(frozen=True)
class CatalogueGroup(ColumnGroup):
    """Columns in which positives are ranked among all items that their users never touched, not in frozen lists."""

    listed_title: str = ""
    """Title of the group with the same queries and their frozen lists."""
    n_items: int | None = None
    """Items of the catalogue; None where no run is stored."""

    def same_queries_as(self, other: ColumnGroup) -> bool:
        """Whether the other group has the same queries, with their frozen lists."""
        return other.title == self.listed_title


@dataclass(frozen=True)
class Table:
    """Rows of methods under groups of metric columns."""

    name: str
    caption: str
    groups: tuple[ColumnGroup, ...]
    metrics: tuple[str, ...]
    """Repeated under each group."""
    rows: tuple[TableRow, ...]
    percent: bool = False
    """Whether figures are printed in percent; the cells' values are fractions all the same."""
    footnotes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Commands that make the runs that are not stored."""

    @property
    def columns(self) -> list[tuple[ColumnGroup, str]]:
        """Return (group, metric) of each column, in the order of a row's cells."""
        return [(group, metric) for group in self.groups for metric in self.metrics]

    def metric_header(self, metric: str) -> str:
        """Return a metric as the head of its column: ``NDCG@3``, or ``Hit@1 (%)`` in a table in percent."""
        return metric_title(metric) + PERCENT_SIGN * self.percent

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def in_percent(value: float) -> float:
    """Return a fraction in percent, without the digits that multiplying adds."""
    return round(100 * value, 10)


def figure(value: float, percent: bool = False, sign: str = "") -> str:
    """Return a fraction as papers print it: ``0.0638``, or ``6.38`` in percent; ``sign`` is that of a format."""
    return f"{100 * value:{sign}.2f}" if percent else f"{value:{sign}.4f}"


def metric_title(metric: str) -> str:
    """Return a metric as papers print it: ``NDCG@3``."""
    name, _, cutoff = metric.partition("@")
    return f"{METRIC_TITLES.get(name, name)}@{cutoff}"
