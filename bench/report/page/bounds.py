"""Keep the page of a large store small: leave out the least informative parts, and say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report.page.content import Axis, Board, Page, UserAnalysis


@dataclass(frozen=True)
class Bounds:
    """How much of a store is on the page; None shows everything."""

    rows: int | None = None
    """Rows of each method on each board, the best first."""
    compared: int | None = None
    """Rows of each board that are compared pairwise."""
    runs: int | None = None
    """Runs with a page."""
    queries: int | None = None
    """Queries of each board."""


LEVELS = (
    Bounds(),
    Bounds(compared=24, runs=2000, queries=16),
    Bounds(rows=20, compared=14, runs=800, queries=8),
    Bounds(rows=8, compared=10, runs=300, queries=4),
    Bounds(rows=3, compared=6, runs=150, queries=2),
    Bounds(rows=1, compared=4, runs=50, queries=0),
)
"""Bounds from the largest page to the smallest."""


def bounded(page: Page, bounds: Bounds) -> Page:
    """Return a page within bounds, which states what was left out."""
    if bounds == Bounds():
        return page
    boards = tuple(_bounded_board(board, bounds) for board in page.boards)
    kept = _kept_runs(page, boards, bounds.runs)
    found = replace(
        page,
        boards=boards,
        runs=tuple(run for run in page.runs if run.id in kept),
        titles=(),
    )
    return replace(_with_titles(found, page.titles), left_out=tuple(_left_out(page, found, bounds)))


def _bounded_board(board: Board, bounds: Bounds) -> Board:
    order = _by_value(board)
    if bounds.rows is not None:
        seen: dict[str, int] = {}
        chosen = []
        for place in order:
            method = board.rows[place].method
            seen[method] = seen.get(method, 0) + 1
            chosen += [place] if seen[method] <= bounds.rows else []
        order = chosen
    compared = sorted(order[: bounds.compared] if bounds.compared is not None else order)
    rows = sorted(order)
    queries = board.queries if bounds.queries is None else board.queries[: bounds.queries]
    return replace(
        board,
        rows=tuple(board.rows[place] for place in rows),
        users=_cut_users(board.users, rows, compared),
        queries=tuple(
            replace(
                query,
                ranks=tuple(query.ranks[place] for place in rows),
                tops=tuple(query.tops[place] for place in rows),
            )
            for query in queries
        ),
    )


def _by_value(board: Board) -> list[int]:
    """Return the rows of a board: the best of each method first, each part by the metric of the user analysis."""
    means = board.users.axes[0].means
    return sorted(range(len(board.rows)), key=lambda place: (not board.rows[place].best, -means[place][0]))


def _cut_users(users: UserAnalysis, rows: Sequence[int], compared: Sequence[int]) -> UserAnalysis:
    """Return the analysis of some rows, of which some are compared."""
    place_of = {place: number for number, place in enumerate(users.rows)}
    kept = [place for place in compared if place in place_of]
    pairs = [_pair_index(place_of[a], place_of[b], len(users.rows)) for n, a in enumerate(kept) for b in kept[n + 1 :]]
    axes = tuple(_cut_axis(axis, rows, pairs) for axis in users.axes)
    return replace(users, rows=tuple(rows.index(place) for place in kept), axes=axes)


def _cut_axis(axis: Axis, rows: Sequence[int], pairs: Sequence[int]) -> Axis:
    means = tuple(axis.means[place] for place in rows)
    return replace(axis, means=means, pairs=tuple(axis.pairs[pair] for pair in pairs))


def _pair_index(a: int, b: int, n: int) -> int:
    """Return the place of the pair ``a < b`` in the order (0, 1), (0, 2) … (1, 2) …, of ``n`` rows."""
    return a * (2 * n - a - 1) // 2 + b - a - 1


def _kept_runs(page: Page, boards: Sequence[Board], limit: int | None) -> set[str]:
    """Return the ids of the runs with a page: those of the best rows first, then of the others; one seed, then all."""
    if limit is None:
        return {run.id for run in page.runs}
    rows = [row for board in boards for row in board.rows]
    order = [
        *(row.run_ids[0] for row in rows if row.best),
        *(row.run_ids[0] for row in rows),
        *(run_id for row in rows for run_id in row.run_ids),
    ]
    return set(list(dict.fromkeys(order))[:limit])


def _with_titles(page: Page, titles: Sequence[str]) -> Page:
    """Return the page with only those titles that its queries use."""
    places: dict[int, int] = {}

    def place(item: int) -> int:
        return places.setdefault(item, len(places))

    boards = tuple(
        replace(
            board,
            queries=tuple(
                replace(
                    query,
                    history=tuple(map(place, query.history)),
                    positive=place(query.positive),
                    candidates=tuple(map(place, query.candidates)),
                    tops=tuple(None if item is None else place(item) for item in query.tops),
                )
                for query in board.queries
            ),
        )
        for board in page.boards
    )
    return replace(page, boards=boards, titles=tuple(titles[item] for item in places))


def _left_out(page: Page, found: Page, bounds: Bounds) -> Iterator[str]:
    n_rows, n_shown = (sum(len(board.rows) for board in one.boards) for one in (page, found))
    if n_shown < n_rows:
        yield f"Leaderboards show up to {_counted(bounds.rows, 'row')} of each method: {n_shown:,} of {n_rows:,} rows."
    if len(found.runs) < len(page.runs):
        yield f"{len(found.runs):,} of {len(page.runs):,} runs have a page, those of the best rows first."
    if any(len(board.users.rows) < len(board.rows) for board in found.boards):
        yield f"Wins and losses are given for up to {_counted(bounds.compared, 'row')} of each board."
    if sum(len(board.queries) for board in found.boards) < sum(len(board.queries) for board in page.boards):
        yield f"Up to {bounds.queries} queries of each board are shown." if bounds.queries else "No queries are shown."


def _counted(number: int | None, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
