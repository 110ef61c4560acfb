"""Tables as LaTeX; a document needs ``booktabs`` and nothing else."""

from __future__ import annotations

from bench.report.table import Cell, Table, TableRow

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "λ": r"$\lambda$",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
    "…": r"\ldots{}",
    "’": "'",
}
COLUMNS_OF_ONE_TEXT_COLUMN = 4
"""Tables with more figure columns are set over both columns of a page."""


def to_latex(table: Table) -> str:
    r"""Return a ``table`` environment: best in ``\textbf``, second in ``\underline``, a star as ``$^{*}$``."""
    environment = "table*" if len(table.columns) > COLUMNS_OF_ONE_TEXT_COLUMN else "table"
    lines = [
        *(f"% missing: {command}" for command in table.missing),
        rf"\begin{{{environment}}}[t]",
        r"\centering",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\label{{tab:{_label_name(table.name)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        *_header(table),
        r"\midrule",
        *(_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip{{\footnotesize {escape(note)}}}" for note in table.footnotes),
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return text in which every sign that LaTeX would read as a command prints as itself."""
    return "".join(SPECIAL.get(sign, sign) for sign in text)


def _header(table: Table) -> list[str]:
    span = len(table.metrics)
    titles = [rf"\multicolumn{{{span}}}{{c}}{{{escape(group.title)}}}" for group in table.groups]
    starts = range(2, 2 + span * len(table.groups), span)
    rules = "".join(rf"\cmidrule(lr){{{start}-{start + span - 1}}}" for start in starts)
    metrics = [escape(table.metric_header(metric)) for _, metric in table.columns]
    return [_line(["", *titles]), rules, _line(["Method", *metrics])]


def _row(row: TableRow) -> str:
    label = escape(row.label) + "".join(escape(mark) for mark in row.marks)
    return _line([label, *(_cell(cell) for cell in row.cells)])


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    marked = rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}" if cell.second else text
    return marked + "$^{*}$" * cell.starred


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _label_name(name: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in name)
