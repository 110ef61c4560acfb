"""Leaderboards: the stored runs, grouped by the candidates they ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING

from bench.metrics import Metric, chance
from bench.report.page.content import Board, BoardRow, Cost, Figure
from bench.report.page.qualities import bias_of, repetitions_of
from bench.report.page.run_facts import training_seconds
from bench.report.page.user_analysis import analyze_users
from bench.report.tables.build import stored_table
from bench.report.tables.layout import Slot
from bench.report.tables.values import read_group
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

if TYPE_CHECKING:
    from bench.registry import Registry
    from bench.report.page.query_facts import FactsOf
    from bench.report.tables.table import Cell, Table, TableRow

DECIMALS = 6
METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "hit@5", "hit@10", "mrr@5", "mrr@10")
"""Metrics of the page; Hit@1 is omitted, because it equals NDCG@1 with one positive."""


@dataclass(frozen=True)
class ChosenRuns(RunStore):
    """A store restricted to some of its records."""

    chosen: tuple[RunRecord, ...] = ()

    def records(self) -> list[RunRecord]:
        """Return the chosen records in the order of :meth:`RunStore.records`."""
        return list(self.chosen)


def boards_of(records: Iterable[RunRecord], store: RunStore, registry: Registry, facts_of: FactsOf) -> list[Board]:
    """Return one board per set of runs that ranked the same candidates for the same queries, sorted by title."""
    parts: dict[tuple[object, ...], list[RunRecord]] = {}
    for record in map(_with_policy_that_counts, records):
        parts.setdefault(_comparable(record), []).append(record)
    stores = [ChosenRuns(store.results_dir, tuple(part)) for part in parts.values()]
    boards = [_board(chosen, registry, facts_of) for chosen in stores]
    return sorted(boards, key=_place)


def _place(board: Board) -> tuple[object, ...]:
    """Return the sort key: warm before other settings, candidate lists before the full catalogue."""
    return board.dataset, board.setting != "warm", board.setting, board.full_ranking, board.id


def _with_policy_that_counts(record: RunRecord) -> RunRecord:
    """Normalize the cold policy of a run, which has no effect outside the cold setting."""
    protocol = record.spec.protocol
    if protocol.setting == "cold" or protocol.policy == "holdout":
        return record
    return replace(record, spec=replace(record.spec, protocol=replace(protocol, policy="holdout")))


def _comparable(record: RunRecord) -> tuple[object, ...]:
    spec = record.spec
    return (*sorted(spec.protocol.key().items()), record.candidates_hash, spec.full_ranking, spec.limit_queries)


def _board(store: ChosenRuns, registry: Registry, facts_of: FactsOf) -> Board:
    first = store.chosen[0]
    protocol = first.spec.protocol
    table = stored_table(protocol.dataset, protocol.setting, METRICS, store, registry)
    by_id = {record.id: record for record in store.chosen}
    rows = [[by_id[run_id] for run_id in row.cells[0].run_ids] for row in table.rows]
    values = read_group([Slot(tuple(records)) for records in rows], store)
    limit = [f"{first.spec.limit_queries}"] if first.spec.limit_queries else []
    full = ["full"] if first.spec.full_ranking else []
    return Board(
        id="-".join([protocol.dataset, protocol.setting, first.candidates_hash, *full, *limit]),
        title=table.groups[0].title,
        dataset=protocol.dataset,
        setting=protocol.setting,
        protocol=protocol.key(),
        candidates_hash=first.candidates_hash,
        full_ranking=first.spec.full_ranking,
        n_candidates=first.n_candidates,
        n_queries=first.n_queries,
        limit_queries=first.spec.limit_queries,
        caption=table.caption,
        footnotes=_footnotes(table),
        chance=tuple(round(chance(Metric.parse(name), first.n_candidates), DECIMALS) for name in METRICS),
        rows=tuple(_row(row, records, store) for row, records in zip(table.rows, rows, strict=True)),
        users=analyze_users(values, facts_of(first)),
    )


def _footnotes(table: Table) -> tuple[str, ...]:
    """Return the table's notes except departures, which are shown on the methods' pages."""
    return tuple(note for note in table.footnotes if not note.startswith("Departures"))


def _row(row: TableRow, records: Sequence[RunRecord], store: RunStore) -> BoardRow:
    return BoardRow(
        label=row.label,
        method=row.method,
        family=records[0].family,
        run_ids=tuple(record.id for record in records),
        figures=tuple(_figure(cell) for cell in row.cells),
        cost=_cost(records),
        bias=bias_of(records, store),
        repetitions=repetitions_of(records, store),
        tie_rate=round(mean(record.tie_rate for record in records), DECIMALS),
        toy=row.toy,
        transductive=row.transductive,
        reference=row.reference,
        ended=row.ended or "",
    )


def _figure(cell: Cell) -> Figure | None:
    if cell.value is None or cell.low is None or cell.high is None:
        return None
    mark = "starred" if cell.starred else "best" if cell.best else "second" if cell.second else ""
    sd = None if cell.sd is None else round(cell.sd, DECIMALS)
    return Figure(round(cell.value, DECIMALS), round(cell.low, DECIMALS), round(cell.high, DECIMALS), sd, mark)


def _cost(records: Sequence[RunRecord]) -> Cost:
    return Cost(
        training_seconds=_mean_of(training_seconds(record) for record in records),
        users_per_second=_mean_of(_users_per_second(record) for record in records),
        peak_memory_bytes=_mean_of(max(record.peak_memory_bytes.values(), default=None) for record in records),
        trained_parameters=_mean_of(record.fit.trained_parameters for record in records),
    )


def _users_per_second(record: RunRecord) -> float | None:
    seconds = record.seconds.get("score", 0.0)
    return record.n_queries / seconds if seconds > 0 else None


def _mean_of(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(mean(known), 2) if known else None
