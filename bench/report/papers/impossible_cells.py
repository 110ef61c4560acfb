"""Results of the audit of published tables, as text and for scripts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.errors import BenchError, unknown_name
from bench.files.yaml_fields import is_yaml_file
from bench.papers.audit import Contradiction, ImpossibleCell, impossible_cells
from bench.papers.printed import is_in_percent, printed_cells, published_papers, published_tables, published_title
from bench.report.tables.table import GRID_FORMATS
from bench.report.tables.texts import figure, metric_title

ALL = "all"
COLUMNS = ("paper", "table", "row", "dataset", "metric", "printed", "low", "high", "why")


@dataclass(frozen=True)
class Audit:
    """The mathematically inconsistent cells of one paper."""

    paper: str
    n_cells: int
    """Number of published cells with several metrics, which are the ones that can be checked."""
    percent: bool
    """Whether the paper reports percentages."""
    cells: tuple[ImpossibleCell, ...]


def audits_of(name: str) -> list[Audit]:
    """Audit a paper (``weaverec``), one of its tables (``weaverec-table1``), a file of published tables, or ``all``.

    Raises:
        BenchError: the name is not a paper, a table or a file.
    """
    if name == ALL:
        return [_audit(paper) for paper in published_papers()]
    if is_yaml_file(name):
        return [_audit(Path(name).stem, folder=Path(name).parent)]
    paper, _, table = name.partition("-")
    if paper not in published_papers() or (table and table not in published_tables(paper)):
        tables = [f"{paper}-{table}" for paper in published_papers() for table in published_tables(paper)]
        raise unknown_name("published table", name, [*published_papers(), *tables, ALL], "bench table --audit all")
    return [_audit(paper, table)]


def render_audits(audits: Sequence[Audit], output_format: str) -> str:
    """Return the inconsistent cells with reasons, as text, Markdown, LaTeX, CSV or JSON; BenchError for others."""
    lines = [line for audit in audits for line in _lines(audit)]
    if output_format == "json":
        cells = [{"paper": audit.paper, **asdict(cell)} for audit in audits for cell in audit.cells]
        whys = [line["why"] for line in lines]
        content = [{**cell, "why": why} for cell, why in zip(cells, whys, strict=True)]
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if output_format == "csv":
        stream = io.StringIO()
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return stream.getvalue()
    if output_format not in GRID_FORMATS:
        raise BenchError(f"An audit cannot be printed as '{output_format}'; expected text, markdown or csv.")
    rows = [[line["paper"], line["table"], line["row"], line["dataset"], line["why"]] for line in lines]
    heads = ["Paper", "Table", "Row", "Data", "Inconsistency"]
    grid = tabulate(rows, heads, GRID_FORMATS[output_format], disable_numparse=True) + "\n\n" if rows else ""
    if output_format == "latex":
        return grid
    return grid + "".join(f"{_summary(audit)}\n" for audit in audits)


def _audit(paper: str, table: str = "", folder: Path | None = None) -> Audit:
    tables = published_tables(paper, folder)
    chosen = {table: tables[table]} if table else tables
    percent = is_in_percent(paper, folder)
    n_cells = sum(_n_metrics(cell.figures) > 1 for name in chosen for cell in printed_cells(paper, name, folder))
    return Audit(published_title(paper, folder), n_cells, percent, tuple(impossible_cells(chosen, percent)))


def _lines(audit: Audit) -> list[dict[str, Any]]:
    lines = []
    for cell in audit.cells:
        found = cell.contradiction()
        figures = {} if found is None else {"metric": found.metric, "printed": found.value}
        room = {} if found is None else {"low": round(found.low, 6), "high": round(found.high, 6)}
        place = {"paper": audit.paper, "table": cell.table, "row": cell.method, "dataset": cell.dataset}
        lines.append({**place, **figures, **room, "why": _why(cell, found, audit.percent)})
    return lines


def _why(cell: ImpossibleCell, found: Contradiction | None, percent: bool) -> str:
    if found is None:
        return f"{_and([metric_title(name) for name in cell.values])} contradict each other"
    others = _and(
        [
            f"{metric_title(name)} {figure(value, percent)}"
            for name, value in cell.values.items()
            if name != found.metric
        ]
    )
    room = f"{figure(found.low, percent)} to {figure(found.high, percent)}"
    return f"{metric_title(found.metric)} is {figure(found.value, percent)}, but {others} imply {room}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _n_metrics(figures: dict[str, float]) -> int:
    return sum("@" in name for name in figures)


def _summary(audit: Audit) -> str:
    found = f"{len(audit.cells):,}" if audit.cells else "none"
    return f"{audit.paper}: {found} of {audit.n_cells:,} cells are inconsistent."
