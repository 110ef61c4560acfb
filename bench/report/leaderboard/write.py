"""Write a leaderboard as a page, as Markdown and as CSV files."""

from __future__ import annotations

import csv
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from bench import __version__
from bench.files.csv_cells import inert
from bench.files.store import write_text
from bench.report.formats.render import render_table
from bench.report.formats.text import escaped_markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.report.leaderboard.boards import Board, Leaderboard
    from bench.report.leaderboard.submissions import Submitted

PAGE, TEXT, SCORES, REFUSED = "index.html", "leaderboard.md", "leaderboard.csv", "refused.csv"
EMPTY = "No run was accepted."
STYLE = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
section { overflow-x: auto; margin-bottom: 3rem; }
table { border-collapse: collapse; }
caption { text-align: left; margin-bottom: .75rem; opacity: .75; font-size: .875rem; }
th, td { padding: .3rem .75rem; border-bottom: 1px solid #8884; text-align: right; white-space: nowrap; }
th:first-child, .words td, .words th { text-align: left; }
.words td { white-space: normal; }
"""


def write_leaderboard(leaderboard: Leaderboard, folder: Path) -> list[Path]:
    """Write all files into a folder, replacing earlier ones; return their paths."""
    texts = {
        PAGE: _page(leaderboard),
        TEXT: _markdown(leaderboard),
        SCORES: _scores(leaderboard),
        REFUSED: _csv(_refusals(leaderboard), ("file", "run", "reason")),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _scores(leaderboard: Leaderboard) -> str:
    """Return one line per cell of all boards."""
    parts = [render_table(board.table, "csv").splitlines(keepends=True) for board in leaderboard.boards]
    return "".join(parts[0][:1] + [line for part in parts for line in part[1:]]) if parts else ""


def _markdown(leaderboard: Leaderboard) -> str:
    parts = ["# Leaderboard", *([EMPTY] if not leaderboard.boards else [])]
    for board in leaderboard.boards:
        parts += [
            f"## {escaped_markdown(board.title)}",
            render_table(board.table, "markdown").strip(),
            "### Runs",
            _grid(_runs(board)),
        ]
    if leaderboard.refused:
        parts += ["## Refused", _grid(_refusals(leaderboard))]
    return "\n\n".join(parts) + "\n"


def _page(leaderboard: Leaderboard) -> str:
    parts = ["<h1>Leaderboard</h1>", *([f"<p>{EMPTY}</p>"] if not leaderboard.boards else [])]
    for board in leaderboard.boards:
        parts += [f"<section><h2>{escape(board.title)}</h2>", render_table(board.table, "html")]
        parts += [f"<h3>Runs</h3>{_html_grid(_runs(board))}</section>"]
    if leaderboard.refused:
        parts.append(f"<section><h2>Refused</h2>{_html_grid(_refusals(leaderboard))}</section>")
    parts.append(f"<footer>Metrics recomputed from the submitted ranks by bench {__version__}.</footer>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>\n{STYLE}</style>'
    start = f'<!doctype html>\n<html lang="en">\n<head>{head}<title>Leaderboard</title></head>\n<body>'
    return "\n".join([start, *parts, "</body>", "</html>"]) + "\n"


def _runs(board: Board) -> list[dict[str, str]]:
    """Return a row per run, in the order of the board's rows."""
    place = {run_id: number for number, row in enumerate(board.table.rows) for run_id in row.cells[0].run_ids}
    ordered = sorted(board.submitted, key=lambda one: (place.get(one.record.id, len(place)), one.record.spec.seed))
    return [_run(one) for one in ordered]


def _run(one: Submitted) -> dict[str, str]:
    record = one.record
    git = record.git or {}
    return {
        "run": record.token,
        "id": record.id,
        "file": one.place,
        "bench": record.bench_version,
        "code": str(git.get("commit", ""))[:12] + " (changed)" * bool(git.get("dirty")),
        "created": record.created[:10],
    }


def _refusals(leaderboard: Leaderboard) -> list[dict[str, str]]:
    return [{"file": one.place, "run": one.run, "reason": one.reason} for one in leaderboard.refused]


def _grid(rows: Sequence[Mapping[str, str]]) -> str:
    cells = [[escaped_markdown(value) for value in row.values()] for row in rows]
    return tabulate(cells, list(rows[0]), tablefmt="pipe", disable_numparse=True)


def _html_grid(rows: Sequence[Mapping[str, str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(value)}</td>' for value in row.values())}</tr>\n" for row in rows)
    return f'<table class="words"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>'


def _csv(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: inert(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()
