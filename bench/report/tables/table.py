"""Tables as data: cells with their values, marks and runs, independent of output formats."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench.files.rounding import rounded
from bench.plugin.fit_report import Ending, worst_ending
from bench.report.tables.options import DEFAULT_OPTIONS, TableOptions
from bench.report.tables.texts import MISSING_TEXT, PERCENT_SIGN, figure, metric_title, summary_text
from bench.significance.comparison import Contrast
from bench.spec import EXTERNAL

if TYPE_CHECKING:
    import pandas

TableFormat = Literal["text", "markdown", "latex", "csv", "html", "json"]
TABLE_FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)
UNCONVERGED = "↗"
"""Symbol of a row or score whose training did not converge."""
GRID_FORMATS = {"text": "simple", "markdown": "pipe", "latex": "latex_booktabs"}
"""Names of the formats in tabulate."""
NOT_IN_JSON = ("options", "legend", "key_notes", "comments")
"""Fields of a table that only say how it is shown."""
OPTIONAL_IN_JSON = ("ours", "over_baseline", "summaries", "improvements")
"""Fields that JSON contains if they are set."""


@dataclass(frozen=True)
class OverBaseline:
    """The test of one of our rows against the best baseline of its column."""

    p: float
    """Uncorrected p-value; the largest if several baselines are equally good."""
    p_corrected: float
    """The p-value after Holm's correction over all pairs of our rows and baselines."""
    family_size: int
    """Number of these pairs."""


@dataclass(frozen=True)
class Cell:
    """One score and how it was computed."""

    text: str = MISSING_TEXT
    """The score as shown, without marks."""
    value: float | None = None
    """Mean over users (and seeds, if there are several), a fraction; None if no run is stored."""
    low: float | None = None
    """Lower end of the 95% bootstrap interval over users, or over users and seeds (hierarchical)."""
    high: float | None = None
    """Upper end of the interval."""
    sd: float | None = None
    """Standard deviation over seeds; None for one seed."""
    n: int = 0
    """Number of users."""
    n_seeds: int = 0
    """Number of seeds."""
    best: bool = False
    """Highest in its column among the ranked rows."""
    second: bool = False
    """Second highest in its column among the ranked rows."""
    starred: bool = False
    """Significantly better: the best row than the second, or one of our rows than the best baseline."""
    p: float | None = None
    """Uncorrected p-value of the difference from the best row; None for other cells."""
    p_corrected: float | None = None
    """The p-value after Holm's correction."""
    family_size: int | None = None
    """Number of comparisons in Holm's correction."""
    behind_best: Contrast | None = None
    """Difference of the best row from this one (best minus this); None for other cells."""
    better_than: tuple[str, ...] = ()
    """Letters of the significantly lower rows of this column, if rows have letters."""
    run_ids: tuple[str, ...] = ()
    """Ids of the runs, one per seed."""
    note: str = ""
    """A note on this cell."""
    ended: Ending | None = None
    """Why training ended (the worst over seeds); None if nothing was trained."""
    arrow: bool = False
    """Whether it shows ↗: its training did not converge, but that of another cell in its row did."""
    over_baseline: OverBaseline | None = None
    """In a table whose star is for our rows: the test against the best baseline; None for other cells."""

    @property
    def arrow_text(self) -> str:
        """The symbol after the score: ``↗`` or nothing."""
        return UNCONVERGED * self.arrow


@dataclass(frozen=True)
class TableRow:
    """One row of scores."""

    label: str
    """Label in the table, without marks."""
    method: str
    """The method's name."""
    cells: tuple[Cell, ...]
    """Ordered by column group, then metric."""
    toy: bool = False
    """Whether a run of the row used a toy backbone."""
    transductive: bool = False
    """Whether a run of the row used unlabeled test queries."""
    reference: bool = False
    """Shown for reference: not ranked and not compared."""
    letter: str = ""
    """Letter of this row in other rows' cells; empty if rows have no letters."""
    group: str = ""
    """Heading of the rows of the same group."""
    arrow: bool = False
    """Whether it shows ↗: none of its scores' trainings converged."""
    ours: bool = False
    """Whether it is compared, as one of our methods, with the best other row."""

    @property
    def ended(self) -> Ending | None:
        """Why training ended (the worst of its cells); None if nothing was trained."""
        return worst_ending(cell.ended for cell in self.cells)

    @property
    def is_external(self) -> bool:
        """Whether another program computed the scores."""
        return self.method.startswith(EXTERNAL)

    @property
    def marks(self) -> tuple[str, ...]:
        """The symbols after the label: ``†toy``, ``‡``, ``§`` and ``↗``."""
        symbols = ("†toy", self.toy), ("‡", self.transductive), ("§", self.is_external), (UNCONVERGED, self.arrow)
        return tuple(symbol for symbol, is_shown in symbols if is_shown)


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that share their queries and candidates: one dataset in one setting."""

    dataset: str
    setting: str
    policy: str
    title: str
    """Heading of the group in the table."""
    candidates_hash: str | None = None
    """Content hash of the candidates of all runs in the group; None if no run is stored."""
    n_queries: int | None = None
    """Number of test queries of each run in the group."""
    dataset_title: str = ""
    """The part of the title that groups of the same dataset share."""


@dataclass(frozen=True)
class CatalogueGroup(ColumnGroup):
    """Columns of full ranking: positives are ranked among all items the user has not interacted with."""

    listed_title: str = ""
    """Title of the group with the same queries and their frozen lists."""
    n_items: int | None = None
    """Number of items in the catalogue; None if no run is stored."""

    def same_queries_as(self, other: ColumnGroup) -> bool:
        """Whether the other group has the same queries, with their frozen lists."""
        return other.title == self.listed_title


@dataclass(frozen=True)
class Summary:
    """A column over all columns of a table, such as the mean rank, with one number per row."""

    name: str
    """``mean_rank`` or ``mean_improvement_percent``."""
    title: str
    values: tuple[float | None, ...]
    """None for a row without such a number."""
    sign: str = ""
    """``+`` to show the sign of positive numbers."""


@dataclass(frozen=True)
class Table:
    """A table with one row per method and groups of metric columns."""

    name: str
    caption: str
    """The complete caption, one paragraph."""
    groups: tuple[ColumnGroup, ...]
    metrics: tuple[str, ...]
    """Repeated under each group."""
    rows: tuple[TableRow, ...]
    percent: bool = False
    """Whether scores are shown in percent; the cells' values are always fractions."""
    row_title: str = "Method"
    """Heading of the column of labels."""
    footnotes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Commands for the missing runs."""
    title: str = ""
    """The first part of the caption, without the explanations."""
    legend: str = ""
    """What the symbols mean, in short."""
    key_notes: tuple[str, ...] = ()
    """Those of the notes that explain symbols of rows."""
    comments: tuple[str, ...] = ()
    """Text for comments of the output format."""
    summaries: tuple[Summary, ...] = ()
    """Columns over all columns, after these."""
    improvements: tuple[float | None, ...] = ()
    """Improvement over the best other row in percent, per column, for a last row; empty for no such row."""
    options: TableOptions = DEFAULT_OPTIONS
    """How the table is shown."""

    @property
    def columns(self) -> list[tuple[ColumnGroup, str]]:
        """Return (group, metric) of each column, in the order of a row's cells."""
        return [(group, metric) for group in self.groups for metric in self.metrics]

    @property
    def shown_groups(self) -> list[int]:
        """Return the places of the column groups with any score, which alone are printed; all if none has one."""
        span = len(self.metrics)
        starts = {number: number * span for number in range(len(self.groups))}
        with_scores = [
            number
            for number, start in starts.items()
            if any(cell.value is not None for row in self.rows for cell in row.cells[start : start + span])
        ]
        return with_scores or list(starts)

    @property
    def shown_columns(self) -> list[int]:
        """Return the places of the columns of these groups in a row's cells."""
        span = len(self.metrics)
        return [group * span + metric for group in self.shown_groups for metric in range(span)]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Return the distinct ids of all runs of the cells."""
        return tuple(dict.fromkeys(run_id for row in self.rows for cell in row.cells for run_id in cell.run_ids))

    @property
    def label(self) -> str:
        """The label for references in LaTeX."""
        signs = (sign if sign.isalnum() else "-" for sign in self.name)
        return self.options.label or f"tab:{''.join(signs)}"

    def figure(self, value: float) -> str:
        """Return a score as this table shows it."""
        return figure(value, self.percent, decimals=self.options.precision)

    def summary_texts(self, summary: Summary) -> list[str]:
        """Return the numbers of a column over all columns as this table shows them."""
        return [summary_text(value, summary.sign, self.options.precision) for value in summary.values]

    @property
    def improvement_texts(self) -> tuple[str, ...]:
        """The numbers of the last row as this table shows them."""
        return tuple(summary_text(value, "+", self.options.precision) for value in self.improvements)

    def metric_header(self, metric: str) -> str:
        """Return a metric as a column header: ``NDCG@3``, or ``Hit@1 (%)`` in a table in percent."""
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

        Values are fractions even if the table is printed in percent, and NaN if no run is stored.
        """
        import pandas

        columns = pandas.MultiIndex.from_tuples(
            [(group.title, metric) for group, metric in self.columns], names=["group", "metric"]
        )
        values = [[cell.value for cell in row.cells] for row in self.rows]
        labels = pandas.Index([row.label for row in self.rows], name=self.row_title.lower())
        return pandas.DataFrame(values, labels, columns, dtype=float)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with rounded numbers."""
        facts = asdict(self)
        return dict(rounded(_without_unset({name: facts[name] for name in facts if name not in NOT_IN_JSON})))


def _without_unset(value: Any) -> Any:
    """Leave out optional fields that are not set, in nested mappings too."""
    if isinstance(value, dict):
        return {key: _without_unset(one) for key, one in value.items() if one or key not in OPTIONAL_IN_JSON}
    return [_without_unset(one) for one in value] if isinstance(value, list | tuple) else value
