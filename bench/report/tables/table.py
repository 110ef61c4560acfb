"""A table as data: cells with their values, marks and runs, kept apart from every way of printing them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench.files.rounding import rounded
from bench.plugin.fit_report import Ending, worst_ending
from bench.significance.comparison import Contrast

if TYPE_CHECKING:
    import pandas

TableFormat = Literal["text", "markdown", "latex", "csv", "html", "json"]
TABLE_FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)
MISSING_TEXT = "–"
"""What a cell without a run shows."""
UNCONVERGED = "↗"
"""Sign at a row or figure whose training had not converged."""
COUNT_TITLES = {
    "users": "Users",
    "items": "Items",
    "interactions": "Interactions",
    "density_percent": "Density (%)",
    "mean_length": "Interactions a user",
    "untitled": "Untitled items",
}
DECIMALS_OF_COUNTS = {"density_percent": 4, "mean_length": 2}
GRID_FORMATS = {"text": "simple", "markdown": "pipe", "latex": "latex_booktabs"}
"""Names that tabulate has for the formats of plain grids."""
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
    """Lower end of the 95 % bootstrap interval of the value over users, or over users and seeds at two levels."""
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
    p: float | None = None
    """P-value of the best row against this rival before correction; None for other cells."""
    p_corrected: float | None = None
    """The same after Holm's correction over the column's family."""
    family_size: int | None = None
    """Comparisons in that family."""
    behind_best: Contrast | None = None
    """How the best row differs from this rival, best minus this; None for other cells."""
    better_than: tuple[str, ...] = ()
    """Letters of the rows of this column that are lower after correction, where rows have letters."""
    run_ids: tuple[str, ...] = ()
    """The runs behind the value, one a seed."""
    note: str = ""
    """What a reader must know of this cell alone."""
    ended: Ending | None = None
    """Why training ended, the worst over the seeds; None where nothing was trained."""
    arrow: bool = False
    """Whether it shows ↗: its training had not converged, that of another cell of its row had."""

    @property
    def arrow_text(self) -> str:
        """The sign behind the figure: ``↗`` or nothing."""
        return UNCONVERGED * self.arrow


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
    """Whether a run of the row read unlabeled test queries."""
    reference: bool = False
    """Shown for orientation: takes no mark and is no rival."""
    letter: str = ""
    """What other rows' cells call this one; empty where rows have no letters."""
    group: str = ""
    """What the table prints over rows that belong together."""
    arrow: bool = False
    """Whether it shows ↗: no training behind its figures had converged."""

    @property
    def ended(self) -> Ending | None:
        """Why training ended, the worst of its cells; None where nothing was trained."""
        return worst_ending(cell.ended for cell in self.cells)

    @property
    def marks(self) -> tuple[str, ...]:
        """The signs behind the label: ``†toy``, ``‡`` and ``↗``."""
        return ("†toy",) * self.toy + ("‡",) * self.transductive + (UNCONVERGED,) * self.arrow


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
    dataset_title: str = ""
    """The part of the title that groups of the same dataset share."""


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
    """All that a reader must know, one paragraph."""
    groups: tuple[ColumnGroup, ...]
    metrics: tuple[str, ...]
    """Repeated under each group."""
    rows: tuple[TableRow, ...]
    percent: bool = False
    """Whether figures are printed in percent; the cells' values are fractions all the same."""
    row_title: str = "Method"
    """What the table prints over the rows' labels."""
    footnotes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Commands that make the runs that are not stored."""
    title: str = ""
    """What the table shows, without how it is to be read."""

    @property
    def columns(self) -> list[tuple[ColumnGroup, str]]:
        """Return (group, metric) of each column, in the order of a row's cells."""
        return [(group, metric) for group in self.groups for metric in self.metrics]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Return the ids of all runs behind the cells, each once."""
        return tuple(dict.fromkeys(run_id for row in self.rows for cell in row.cells for run_id in cell.run_ids))

    def metric_header(self, metric: str) -> str:
        """Return a metric as the head of its column: ``NDCG@3``, or ``Hit@1 (%)`` in a table in percent."""
        return metric_title(metric) + PERCENT_SIGN * self.percent

    def __str__(self) -> str:
        return self.render("text")

    def _repr_html_(self) -> str:
        return self.render("html")

    def render(self, output_format: TableFormat) -> str:
        """Return the table as ``text``, ``markdown``, ``latex``, ``csv``, ``html`` or ``json``."""
        from bench.report.formats.render import render_table

        return render_table(self, output_format)

    def frame(self) -> pandas.DataFrame:
        """Return the cells' values: a row per method, indexed by its label, and a column per (group, metric).

        Values are fractions also where figures are printed in percent; NaN where no run is stored.
        """
        import pandas

        columns = pandas.MultiIndex.from_tuples(
            [(group.title, metric) for group, metric in self.columns], names=["group", "metric"]
        )
        values = [[cell.value for cell in row.cells] for row in self.rows]
        labels = pandas.Index([row.label for row in self.rows], name=self.row_title.lower())
        return pandas.DataFrame(values, labels, columns, dtype=float)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, numbers at the precision that they are written with."""
        return dict(rounded(asdict(self)))


def shortened_letters(letters: tuple[str, ...]) -> str:
    """Return letters in a row as a range, ``a–d,f``; numbers alike."""
    places = [int(letter) if letter.isdigit() else ord(letter) for letter in letters]
    runs: list[list[int]] = []
    for number, place in enumerate(places):
        if runs and places[runs[-1][-1]] == place - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [
        f"{letters[run[0]]}–{letters[run[-1]]}" if len(run) > 2 else ",".join(letters[number] for number in run)
        for run in runs
    ]
    return ",".join(parts)


def in_percent(value: float) -> float:
    """Return a fraction in percent, without the digits that multiplying adds."""
    return round(100 * value, 10)


def figure(value: float, percent: bool = False, sign: str = "") -> str:
    """Return a fraction as papers print it: ``0.0638``, or ``6.38`` in percent; ``sign`` is that of a format."""
    return f"{100 * value:{sign}.2f}" if percent else f"{value:{sign}.4f}"


def count_text(name: str, value: float, sign: str = "") -> str:
    """Return a count of a dataset as it is printed: ``22,363``, or ``0.0734`` for a density in percent."""
    return f"{value:{sign},.{DECIMALS_OF_COUNTS.get(name, 0)}f}"


def metric_title(metric: str) -> str:
    """Return a metric as papers print it, ``NDCG@3``, or a count in words."""
    if metric in COUNT_TITLES:
        return COUNT_TITLES[metric]
    name, _, cutoff = metric.partition("@")
    return f"{METRIC_TITLES.get(name, name)}@{cutoff}"
