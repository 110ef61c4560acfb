"""Rank submitted runs: one table per protocol, its rows ordered by the first metric."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.registry import registry
from bench.report.leaderboard.submissions import Refusal, Submitted, board_key, read_submissions
from bench.report.tables.build import table_of_runs
from bench.report.tables.table import Table, TableRow
from bench.runs.store import RunStore

METRICS = ("ndcg@3", "ndcg@1", "ndcg@5", "hit@3", "mrr@5")
FULL_METRICS = ("ndcg@10", "ndcg@20", "hit@10", "mrr@10")
"""Metrics of boards with full ranking."""


@dataclass(frozen=True)
class Board:
    """The runs of one protocol."""

    title: str
    table: Table
    """Its rows are ordered by the first metric, best first."""
    submitted: tuple[Submitted, ...]
    """The runs of the rows."""


@dataclass(frozen=True)
class Leaderboard:
    """All boards, and what was refused."""

    boards: tuple[Board, ...]
    refused: tuple[Refusal, ...]

    @property
    def n_runs(self) -> int:
        """Number of accepted runs."""
        return sum(len(board.submitted) for board in self.boards)


def build_leaderboard(folder: Path) -> Leaderboard:
    """Return the leaderboard of all submissions in a folder; raise BenchError if it is not a folder."""
    with tempfile.TemporaryDirectory(prefix="bench-leaderboard-") as name:
        store = RunStore(Path(name))
        accepted, refused = read_submissions(folder, store)
        by_board: dict[str, list[Submitted]] = {}
        for one in accepted:
            by_board.setdefault(board_key(one.record), []).append(one)
        boards = sorted((_board(runs, store) for runs in by_board.values()), key=lambda board: board.title)
    return Leaderboard(tuple(boards), tuple(refused))


def _board(submitted: Sequence[Submitted], store: RunStore) -> Board:
    records = [one.record for one in submitted]
    metrics = FULL_METRICS if records[0].spec.full_ranking else METRICS
    table = table_of_runs(records, metrics, store, registry())
    title = table.groups[0].title
    rows = tuple(replace(row, group="") for row in sorted(table.rows, key=_first_value, reverse=True))
    caption = table.caption.replace(table.title, f"Submitted runs of {title}.", 1)
    return Board(title, replace(table, name=_file_name(title), caption=caption, rows=rows), tuple(submitted))


def _first_value(row: TableRow) -> float:
    value = row.cells[0].value
    return -1.0 if value is None else value


def _file_name(title: str) -> str:
    """Return the title with only letters, digits, dots and hyphens, as the id of a table on a page."""
    return "-".join("".join(sign if sign.isalnum() or sign in ".-" else " " for sign in title).split())
