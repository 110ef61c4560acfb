"""Write tables as LaTeX; a document needs the packages ``booktabs`` and ``multirow``, and ``siunitx`` if chosen."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bench.errors import unbroken
from bench.report.formats.latex_cells import SIUNITX_SETUP, LatexColumn, latex_columns
from bench.report.formats.latex_layout import FLOAT_HEIGHT, Layout, height_in_points, laid_out
from bench.report.formats.latex_text import escape
from bench.report.tables.summaries import IMPROVEMENT_TITLE

if TYPE_CHECKING:
    from bench.report.tables.table import ColumnGroup, Table

NEEDS = r"% needs \usepackage{{booktabs,multirow{}}}"
LABEL_WIDTH = "1.1em"
"""Space for a row's letter before its name."""


def to_latex(table: Table) -> str:
    r"""Return a ``table`` environment: best in ``\textbf``, second in ``\underline``, star or letters in superscript.

    If there are too many columns for a page in a readable font size, the table is split into panels, one above
    another, and continued in further floats if a page is too short. Notes that do not fit on the page of the last float
    follow it as text, which can break across pages.
    """
    floats, layout = laid_out(table)
    last = height_in_points(table, len(floats[-1]), layout, has_caption=len(floats) == 1)
    notes_fit = last <= FLOAT_HEIGHT
    lines = [f"% missing: {unbroken(command)}" for command in table.missing]
    lines += [f"% {unbroken(comment)}" for comment in table.comments]
    for number, panels in enumerate(floats, start=1):
        head = _caption(table) if number == 1 else _continued(table)
        notes = _notes(table) if notes_fit and number == len(floats) else []
        lines += _float([*_preamble(table), *head], panels, notes, layout)
    if not notes_fit:
        lines += _notes_as_text(table)
    return "\n".join(lines) + "\n"


def _float(head: list[str], panels: list[Table], end: list[str], layout: Layout) -> list[str]:
    return [
        rf"\begin{{{layout.environment}}}[t]",
        *head,
        layout.size,
        rf"\setlength{{\tabcolsep}}{{{layout.separation:g}pt}}",
        *"\n\\par\\medskip\n".join(map(_tabular, panels)).splitlines(),
        *end,
        rf"\end{{{layout.environment}}}",
    ]


def _preamble(table: Table) -> list[str]:
    if table.options.align == "siunitx":
        return [NEEDS.format(",siunitx"), r"\centering", SIUNITX_SETUP]
    return [NEEDS.format(""), r"\centering"]


def _caption(table: Table) -> list[str]:
    short = f"[{escape(table.title)}]" if table.title not in ("", table.caption) else ""
    return [
        r"\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{short}{{{escape(table.caption)}}}",
        rf"\label{{{table.label}}}",
    ]


def _continued(table: Table) -> list[str]:
    return [rf"Table~\ref{{{table.label}}}, continued.\par\medskip"]


def _tabular(table: Table) -> str:
    columns = latex_columns(table)
    types = "".join(["l", *(column.type for column in columns), "r" * len(table.summaries)])
    lines = [
        rf"\begin{{tabular}}{{{types}}}",
        r"\toprule",
        *_header(table, columns),
        *_body(table, columns),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _header(table: Table, columns: list[LatexColumn]) -> list[str]:
    """Return the header: datasets over settings if a dataset has several, else both in one line; metrics below."""
    metrics = [column.heading for column in columns] + [escape(summary.title) for summary in table.summaries]
    if not any(group.title for group in table.groups):
        return [_line([table.row_title, *metrics])]
    heads = [[(group.title, len(table.metrics)) for group in table.groups]]
    datasets = [list(members) for _, members in groupby(table.groups, key=lambda group: group.dataset_title)]
    if all(group.dataset_title for group in table.groups) and any(len(members) > 1 for members in datasets):
        shared = [(members[0].dataset_title, len(members) * len(table.metrics)) for members in datasets]
        heads = [shared, [(_within_dataset(group), len(table.metrics)) for group in table.groups]]
    lines = [line for head in heads for line in _spanning(head)]
    lines.append(_line(["", *metrics]))
    lines[0] = rf"\multirow{{{len(heads) + 1}}}{{*}}{{{table.row_title}}}{lines[0]}"
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


def _body(table: Table, columns: list[LatexColumn]) -> list[str]:
    """Return the rows; if there are several groups, each has a heading in italics."""
    lines, is_parted = [], len({row.group for row in table.rows}) > 1
    has_letters = any(row.letter for row in table.rows)
    cells = [list(texts) for texts in zip(*(column.texts for column in columns), strict=True)]
    for group, members in groupby(range(len(table.rows)), key=lambda number: table.rows[number].group):
        lines.append(r"\midrule")
        if group and is_parted:
            width = len(columns) + len(table.summaries) + 1
            lines.append(_line([rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(group)}}}}}"]))
        for number in members:
            row = table.rows[number]
            label = escape(row.label) + "".join(map(escape, row.marks))
            summaries = [escape(table.summary_texts(summary)[number]) for summary in table.summaries]
            lines.append(_row(label, row.letter, cells[number] + summaries, has_letters))
    if table.improvements:
        lines += [r"\midrule", _row(escape(IMPROVEMENT_TITLE), "", cells[-1], has_letters)]
    return lines or [r"\midrule"]


def _row(label: str, letter: str, cells: list[str], has_letters: bool) -> str:
    raised = rf"\makebox[{LABEL_WIDTH}][l]{{\textit{{{escape(letter)}}}}}" if has_letters else ""
    return _line([raised + label, *cells])


def _notes(table: Table) -> list[str]:
    if not table.footnotes:
        return []
    notes = "\\par\n".join(escape(note) for note in table.footnotes)
    return [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize", notes, r"\end{minipage}"]


def _notes_as_text(table: Table) -> list[str]:
    notes = "\\par\n".join(escape(note) for note in table.footnotes)
    return [rf"{{\footnotesize\noindent Notes to table~\ref{{{table.label}}}: {notes}\par}}"]


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
