"""Tables as LaTeX; a document needs ``booktabs`` and ``multirow`` and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby

from bench.report.latex_text import escape, width_in_points
from bench.report.table import Cell, ColumnGroup, Table, TableRow, shortened_letters

NEEDS = r"% needs \usepackage{booktabs,multirow}"
LABEL_WIDTH = "1.1em"
"""Room for a row's letter before its name."""
LAYOUTS = (
    ("table", r"\small", 9.3, 4.0, 240.0),
    ("table*", r"\small", 9.3, 6.0, 500.0),
    ("table*", r"\small", 9.3, 3.0, 500.0),
    ("table*", r"\footnotesize", 8.5, 3.0, 500.0),
    ("table*", r"\scriptsize", 8.0, 2.0, 500.0),
)
"""Environment, size, its letters' height, space beside a column and width of the page, in points: the first that fits
is taken. One column of a two-column page is about 240 points wide, the page about 500. Small letters are wider for
their height than large ones, so these heights are those of large letters as wide."""
SPREAD_SIZE = 6.6
"""The same of a standard deviation in tiny letters."""


def to_latex(table: Table) -> str:
    r"""Return a ``table`` environment: best in ``\textbf``, second in ``\underline``, a star or letters raised.

    Columns that are too many for a page in letters that can be read stand in panels, one above another.
    """
    panels, (environment, size, _, separation, _) = _layout(table)
    short = f"[{escape(table.title)}]" if table.title else ""
    lines = [
        *(f"% missing: {command}" for command in table.missing),
        rf"\begin{{{environment}}}[t]",
        NEEDS,
        r"\centering",
        r"\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{short}{{{escape(table.caption)}}}",
        rf"\label{{tab:{_label_name(table.name)}}}",
        size,
        rf"\setlength{{\tabcolsep}}{{{separation:g}pt}}",
        *"\n\\par\\medskip\n".join(map(_tabular, panels)).splitlines(),
        *_notes(table),
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _layout(table: Table) -> tuple[list[Table], tuple[str, str, float, float, float]]:
    """Return the fewest panels, and for them the largest letters, that fit."""
    for n_panels in range(1, len(table.groups) + 1):
        panels = _panels(table, n_panels)
        for layout in LAYOUTS:
            if all(_fits(panel, *layout[2:]) for panel in panels):
                return panels, layout
    return _panels(table, len(table.groups)), LAYOUTS[-1]


def _panels(table: Table, n_panels: int) -> list[Table]:
    """Part a table by its column groups."""
    size, span = math.ceil(len(table.groups) / n_panels), len(table.metrics)
    starts = range(0, len(table.groups), size)
    return [
        replace(
            table,
            groups=table.groups[start : start + size],
            rows=tuple(replace(row, cells=row.cells[start * span : (start + size) * span]) for row in table.rows),
        )
        for start in starts
    ]


def _tabular(table: Table) -> str:
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        *_header(table),
        *_body(table),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _header(table: Table) -> list[str]:
    """Return the heads: datasets over settings where a dataset has several, else both in one; metrics below."""
    heads = [[(group.title, len(table.metrics)) for group in table.groups]]
    datasets = [list(members) for _, members in groupby(table.groups, key=lambda group: group.dataset_title)]
    if all(group.dataset_title for group in table.groups) and any(len(members) > 1 for members in datasets):
        shared = [(members[0].dataset_title, len(members) * len(table.metrics)) for members in datasets]
        heads = [shared, [(_within_dataset(group), len(table.metrics)) for group in table.groups]]
    lines = [line for head in heads for line in _spanning(head)]
    lines.append(_line(["", *(escape(table.metric_header(metric)) for _, metric in table.columns)]))
    lines[0] = rf"\multirow{{{len(heads) + 1}}}{{*}}{{Method}}{lines[0]}"
    return lines


def _within_dataset(group: ColumnGroup) -> str:
    words = group.title.removeprefix(f"{group.dataset_title}, ")
    return words[:1].upper() + words[1:]


def _spanning(heads: list[tuple[str, int]]) -> list[str]:
    titles = [rf"\multicolumn{{{span}}}{{c}}{{{escape(title)}}}" for title, span in heads]
    rules, start = [], 2
    for _, span in heads:
        rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        start += span
    return [_line(["", *titles]), "".join(rules)]


def _body(table: Table) -> list[str]:
    """Return the rows, those of one group under its name in italics where there are several groups."""
    lines, is_parted = [], len({row.group for row in table.rows}) > 1
    for group, members in groupby(table.rows, key=lambda row: row.group):
        lines.append(r"\midrule")
        if group and is_parted:
            lines.append(_line([rf"\multicolumn{{{len(table.columns) + 1}}}{{l}}{{\textit{{{escape(group)}}}}}"]))
        lines += [_row(row, any(row.letter for row in table.rows)) for row in members]
    return lines or [r"\midrule"]


def _row(row: TableRow, has_letters: bool) -> str:
    letter = rf"\makebox[{LABEL_WIDTH}][l]{{\textit{{{escape(row.letter)}}}}}" if has_letters else ""
    label = escape(row.label) + "".join(escape(mark) for mark in row.marks)
    return _line([letter + label, *(_cell(cell) for cell in row.cells)])


def _cell(cell: Cell) -> str:
    mean, _, spread = cell.text.partition(" ± ")
    text = escape(mean)
    marked = rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}" if cell.second else text
    letters = escape(shortened_letters(cell.better_than))
    small = rf"{{\tiny\,$\pm$\,{escape(spread)}}}" if spread else ""
    return marked + "$^{*}$" * cell.starred + (rf"\textsuperscript{{{letters}}}" if letters else "") + small


def _notes(table: Table) -> list[str]:
    if not table.footnotes:
        return []
    notes = "\\par\n".join(escape(note) for note in table.footnotes)
    return [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize", notes, r"\end{minipage}"]


def _fits(table: Table, height: float, separation: float, page: float) -> bool:
    """Whether the columns and the heads over them, estimated letter by letter, are no wider than the page."""
    labels = max(width_in_points(label, height) for label in ["Method", *map(_printed_label, table.rows)])
    gaps, span = 2 * separation, len(table.metrics)
    total = labels + gaps
    for number, group in enumerate(table.groups):
        columns = range(number * span, (number + 1) * span)
        figures = sum(_column_width(table, column, height) + gaps for column in columns)
        total += max(figures, width_in_points(group.title, height) + gaps)
    across = max((width_in_points(row.group, height) + gaps for row in table.rows), default=0.0)
    return max(total, across) <= page


def _column_width(table: Table, number: int, height: float) -> float:
    head = width_in_points(table.metric_header(table.columns[number][1]), height)
    return max([head, *(_cell_width(row.cells[number], height) for row in table.rows)])


def _cell_width(cell: Cell, height: float) -> float:
    mean, _, spread = cell.text.partition(" ± ")
    raised = "*" * cell.starred + shortened_letters(cell.better_than)
    bold = 1.15 if cell.best else 1.0
    return bold * width_in_points(mean, height) + width_in_points(raised, height * 0.75) + _spread_width(spread)


def _spread_width(spread: str) -> float:
    return width_in_points(f" ± {spread}", SPREAD_SIZE) if spread else 0.0


def _printed_label(row: TableRow) -> str:
    return "mi" * bool(row.letter) + row.label + "".join(row.marks)


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _label_name(name: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in name)
