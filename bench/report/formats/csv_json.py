"""Write tables as CSV, with one line per cell, or as JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from bench.files.csv_cells import inert
from bench.files.rounding import rounded
from bench.report.tables.summaries import improvements_over
from bench.report.tables.table import CatalogueGroup, Cell, ColumnGroup, Table, TableRow
from bench.report.tables.texts import in_percent


def to_csv(table: Table) -> str:
    """Return one line per cell; missing values are empty, and booleans are 0 and 1.

    In a table in percent, column names say so: ``value_percent`` instead of ``value``.
    """
    lines = [
        {**_tidy(table, row, group, metric, cell), **_over_columns(table, number, column)}
        for number, row in enumerate(table.rows)
        for column, ((group, metric), cell) in enumerate(zip(table.columns, row.cells, strict=True))
    ]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def to_json(table: Table) -> str:
    """Return all data of the table."""
    return json.dumps(table.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _tidy(table: Table, row: TableRow, group: ColumnGroup, metric: str, cell: Cell) -> dict[str, Any]:
    figures = _figures(table, {"value": cell.value, "low": cell.low, "high": cell.high, "sd": cell.sd})
    line = {
        "table": table.name,
        "row": row.label,
        "method": row.method,
        "dataset": group.dataset,
        "setting": group.setting,
        "policy": group.policy if group.setting == "cold" else "",
        **_candidates(table, group),
        "metric": metric,
        **figures,
        "n": cell.n,
        "n_seeds": cell.n_seeds,
        "best": int(cell.best),
        "second": int(cell.second),
        "starred": int(cell.starred),
        **_behind_best(table, cell),
        "p": cell.p,
        "p_corrected": cell.p_corrected,
        "family_size": cell.family_size,
        "letter": row.letter,
        "better_than": " ".join(cell.better_than),
        "toy": int(row.toy),
        "transductive": int(row.transductive),
        "reference": int(row.reference),
        **_ours(table, row, cell),
        "ended": cell.ended,
        "candidates_hash": group.candidates_hash,
        "run_ids": " ".join(cell.run_ids),
        "note": cell.note,
    }
    return {name: inert(value) for name, value in dict(rounded(line)).items()}


def _ours(table: Table, row: TableRow, cell: Cell) -> dict[str, Any]:
    """Return whether the row is ours and its test against the best baseline, for tables with such rows."""
    if not any(one.ours for one in table.rows):
        return {}
    over = cell.over_baseline
    return {
        "ours": int(row.ours),
        "p_over_baseline": None if over is None else over.p,
        "p_over_baseline_corrected": None if over is None else over.p_corrected,
        "baseline_family_size": None if over is None else over.family_size,
    }


def _over_columns(table: Table, number: int, column: int) -> dict[str, Any]:
    """Return the improvement over this cell and the row's numbers over all columns, for tables that show them."""
    found: dict[str, Any] = {}
    if table.options.improvement is not None:
        found["improvement_percent"] = improvements_over(table, table.rows[number])[column]
    found |= {summary.name: summary.values[number] for summary in table.summaries}
    return dict(rounded(found))


def _candidates(table: Table, group: ColumnGroup) -> dict[str, str]:
    """Return the kind of candidates, for tables that do not only have frozen lists."""
    if not any(isinstance(one, CatalogueGroup) for one in table.groups):
        return {}
    return {"candidates": "full" if isinstance(group, CatalogueGroup) else "sampled"}


def _figures(table: Table, figures: dict[str, float | None]) -> dict[str, float | None]:
    """Return the metric's values by name, in percent if the table is."""
    if not table.percent:
        return figures
    return {f"{name}_percent": None if value is None else in_percent(value) for name, value in figures.items()}


def _behind_best(table: Table, cell: Cell) -> dict[str, Any]:
    """Return the difference of the best row from this one (best minus this), and the best row's wins and losses."""
    found: dict[str, Any] = {} if cell.behind_best is None else asdict(cell.behind_best)
    figures = {
        "behind_best": found.get("difference"),
        "behind_best_low": found.get("low"),
        "behind_best_high": found.get("high"),
        "detectable_difference": found.get("detectable_difference"),
    }
    return {
        **_figures(table, figures),
        "effect_size": found.get("effect_size"),
        "wins_of_best": found.get("wins"),
        "ties_with_best": found.get("ties"),
        "losses_of_best": found.get("losses"),
    }
