"""Mean rank and win rate of the methods over the datasets of one setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from statistics import mean
from typing import TYPE_CHECKING, TypeAlias

from bench.report.page.overview_content import Standing, Summary
from bench.report.page.user_analysis import METRIC

if TYPE_CHECKING:
    from bench.report.page.content import Board, BoardRow

FEWEST_BOARDS, FEWEST_METHODS = 2, 2
"""Minimum numbers of datasets and of methods of a summary."""
DECIMALS = 6
_Row: TypeAlias = "tuple[BoardRow, float]"
"""The best row of a method on a board, with its value."""


def summaries_of(boards: Sequence[Board], metrics: Sequence[str]) -> tuple[Summary, ...]:
    """Return one summary per setting and kind of candidates that has several datasets with the same methods.

    Of several boards of one dataset, the one with the most queries counts. Only the best row of each method counts;
    toys and reference rows are not ranked.
    """
    groups: dict[tuple[object, ...], dict[str, Board]] = {}
    for board in boards:
        datasets = groups.setdefault(_kind(board), {})
        known = datasets.get(board.dataset)
        if known is None or _size(board) > _size(known):
            datasets[board.dataset] = board
    column = metrics.index(METRIC)
    rows = [{board.id: (board, _best(board, column)) for board in group.values()} for group in groups.values()]
    return tuple(summary for summary in map(_summary, rows) if summary is not None)


def complete_block(methods: Mapping[str, Set[str]]) -> tuple[str, ...]:
    """Return the datasets of the largest complete comparison: those for which datasets × common methods is largest.

    A mean rank over datasets with different methods would compare places in lists of different lengths. Datasets are
    added by their number of methods, so the block is the largest among these, and not among all subsets.

    Args:
        methods: The methods with a run on each dataset.
    """
    order = sorted(methods, key=lambda name: -len(methods[name]))
    blocks = [order[:size] for size in range(FEWEST_BOARDS, len(order) + 1)]

    def area(block: Sequence[str]) -> int:
        common = set.intersection(*(set(methods[name]) for name in block))
        return len(common) * len(block) if len(common) >= FEWEST_METHODS else 0

    best = max(blocks, key=area, default=[])
    return tuple(name for name in methods if name in best) if best and area(best) else ()


def places(values: Sequence[float]) -> list[float]:
    """Return the place of each value, 1 for the highest; equal values share the mean of their places."""
    return [1 + _count(other > value for other in values) + (values.count(value) - 1) / 2 for value in values]


def win_rate(value: float, others: Sequence[float]) -> float:
    """Return the share of the others that a value exceeds, ties counting half."""
    return mean((value > other) + (value == other) / 2 for other in others)


def _summary(group: Mapping[str, tuple[Board, dict[str, _Row]]]) -> Summary | None:
    chosen = complete_block({name: set(rows) for name, (_, rows) in group.items()})
    if not chosen:
        return None
    boards, by_board = zip(*(group[name] for name in chosen), strict=True)
    common = [method for method in by_board[0] if all(method in rows for rows in by_board)]
    names = {method: row.name for _, rows in group.values() for method, (row, _) in rows.items()}
    standings = [_standing(method, common, by_board) for method in common]
    first = boards[0]
    return Summary(
        title=first.title.removeprefix(first.dataset_name).removeprefix(", "),
        metric=METRIC,
        boards=chosen,
        dataset_names=tuple(board.dataset_name for board in boards),
        rows=tuple(sorted(standings, key=lambda row: (row.mean_rank, row.name))),
        other_datasets=tuple(board.dataset_name for name, (board, _) in group.items() if name not in chosen),
        other_methods=tuple(sorted(names[method] for method in set(names) - set(common))),
    )


def _standing(method: str, common: Sequence[str], by_board: Sequence[dict[str, _Row]]) -> Standing:
    own, row = common.index(method), by_board[0][method][0]
    values = [[rows[other][1] for other in common] for rows in by_board]
    return Standing(
        method=method,
        name=row.name,
        family=row.family,
        mean_rank=round(mean(places(one)[own] for one in values), DECIMALS),
        win_rate=round(mean(win_rate(one[own], one[:own] + one[own + 1 :]) for one in values), DECIMALS),
        values=tuple(one[own] for one in values),
    )


def _best(board: Board, column: int) -> dict[str, _Row]:
    """Return the best row of each method with its value, without toys and reference rows."""
    rows = [(row, row.figures[column]) for row in board.rows if row.best and not row.toy and not row.reference]
    return {row.method: (row, figure.value) for row, figure in rows if figure is not None}


def _kind(board: Board) -> tuple[object, ...]:
    return board.setting, board.protocol.get("policy"), board.full_ranking, board.protocol.get("n_negatives")


def _size(board: Board) -> tuple[int, int]:
    return board.n_queries, len(board.rows)


def _count(flags: Iterable[bool]) -> int:
    return sum(map(int, flags))
