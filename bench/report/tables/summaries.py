"""Numbers over all columns of a table: mean ranks, and improvements over other rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.report.tables.table import Summary, Table, TableRow

EQUAL_WITHIN = 1e-12
"""Scores this close have the same rank."""
IMPROVEMENT_TITLE = "Improv. (%)"
MEAN_RANK_TITLE = "Mean rank"
NONE_HAS_ALL = "{titles}: not shown, as no row has the scores for it in every column."


def with_summaries(table: Table) -> Table:
    """Return a table with the mean rank and the improvements that its options ask for, explained in the caption.

    Those that no row has are left out, and the caption says so.
    """
    place = table.options.improvement
    asked: list[Summary] = []
    if table.options.mean_rank:
        asked.append(Summary("mean_rank", MEAN_RANK_TITLE, mean_ranks(table)))
    if place in ("column", "both"):
        asked.append(Summary("mean_improvement_percent", IMPROVEMENT_TITLE, mean_improvements(table), "+"))
    summaries = tuple(summary for summary in asked if _has_numbers(summary.values))
    last_row = improvements(table) if place in ("row", "both") else ()
    made = replace(table, summaries=summaries, improvements=last_row if _has_numbers(last_row) else ())
    left_out = [summary.title for summary in asked if summary not in summaries]
    said = _sentences(made) + ([NONE_HAS_ALL.format(titles=", ".join(left_out))] if left_out else [])
    return replace(made, caption=" ".join([table.caption, *said]), legend=" ".join(filter(None, [table.legend, *said])))


def mean_ranks(table: Table) -> tuple[float | None, ...]:
    """Return each row's mean rank over all columns shown, 1 for the best, ties sharing their mean rank.

    Only ranked rows with a score in each of them are used, so that all means are over the same columns; others have
    None.
    """
    columns = table.shown_columns
    complete = [
        row for row in table.rows if _is_ranked(row) and all(_score(row, column) is not None for column in columns)
    ]
    ranks = {id(row): [_rank(row, complete, column) for column in columns] for row in complete}
    return tuple(sum(ranks[id(row)]) / len(ranks[id(row)]) if ranks.get(id(row)) else None for row in table.rows)


def improvements(table: Table) -> tuple[float | None, ...]:
    """Return per column by how much, in percent, our best row is above the best other row (the best above the second).

    None for a column in which one of the two has no score, or the other row scores 0.
    """
    found = []
    for column in range(len(table.columns)):
        leader = _leader(table, column)
        others = [value for row in _others(table, leader) if (value := _score(row, column)) is not None]
        found.append(_above(_score(leader, column), max(others, default=None)))
    return tuple(found)


def improvements_over(table: Table, row: TableRow) -> tuple[float | None, ...]:
    """Return per column by how much, in percent, our best row (or the best row) is above this one; None for itself."""
    leaders = [_leader(table, column) for column in range(len(table.columns))]
    return tuple(
        None if leader is row or row.ours else _above(_score(leader, column), _score(row, column))
        for column, leader in enumerate(leaders)
    )


def mean_improvements(table: Table) -> tuple[float | None, ...]:
    """Return each row's mean of :func:`improvements_over`; None unless it is known in every column shown.

    In a column that the row itself leads, its improvement counts as 0.
    """
    leaders = {column: _leader(table, column) for column in table.shown_columns}
    found = []
    for row in table.rows:
        values = improvements_over(table, row)
        over = [0.0 if leader is row else values[column] for column, leader in leaders.items()]
        known = [value for value in over if value is not None]
        is_leader = all(leader is row for leader in leaders.values())
        found.append(sum(known) / len(known) if len(known) == len(over) and known and not is_leader else None)
    return tuple(found)


def _leader(table: Table, column: int) -> TableRow | None:
    """Return our row with the highest score in a column, or the row with the highest score if none is ours."""
    ranked = [row for row in table.rows if _is_ranked(row) and _score(row, column) is not None]
    ours = [row for row in ranked if row.ours]
    has_ours = any(row.ours for row in table.rows)
    return max(ours if has_ours else ranked, key=lambda row: _score(row, column) or 0.0, default=None)


def _others(table: Table, leader: TableRow | None) -> list[TableRow]:
    return [row for row in table.rows if _is_ranked(row) and row is not leader and not row.ours]


def _is_ranked(row: TableRow) -> bool:
    return not row.reference and not row.toy


def _has_numbers(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _score(row: TableRow | None, column: int) -> float | None:
    return None if row is None else row.cells[column].value


def _above(score: float | None, other: float | None) -> float | None:
    return 100 * (score / other - 1) if score is not None and other else None


def _rank(row: TableRow, rivals: Sequence[TableRow], column: int) -> float:
    differences = [(_score(rival, column) or 0.0) - (_score(row, column) or 0.0) for rival in rivals]
    n_above = sum(difference > EQUAL_WITHIN for difference in differences)
    n_equal = sum(abs(difference) <= EQUAL_WITHIN for difference in differences)
    return n_above + (1 + n_equal) / 2


def _sentences(table: Table) -> list[str]:
    has_ours = any(row.ours for row in table.rows)
    leader = "our best row" if has_ours else "the best row"
    said = []
    if any(summary.name == "mean_rank" for summary in table.summaries):
        said.append(f"{MEAN_RANK_TITLE}: over the {len(table.shown_columns)} columns, 1 is best.")
    parts = []
    if table.improvements:
        parts.append(f"over {'the best other row' if has_ours else 'the second'} (last row)")
    if any(summary.name == "mean_improvement_percent" for summary in table.summaries):
        parts.append("over each row, mean over all columns (last column)")
    if parts:
        said.append(f"Improv.: relative improvement of {leader} {' and '.join(parts)}.")
    return said
