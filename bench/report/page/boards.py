"""Leaderboards: the stored runs, grouped by the candidates they ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING

from bench.metrics import Metric, chance
from bench.registry import Registry
from bench.report.page.chosen_runs import ChosenRuns
from bench.report.page.content import Board, BoardRow, Cost, Figure
from bench.report.page.names import dataset_name, method_name, variant_of
from bench.report.page.qualities import bias_of, repetitions_of
from bench.report.page.query_facts import FactsOf
from bench.report.page.query_views import RowRanks, Titles, query_views
from bench.report.page.run_facts import training_seconds
from bench.report.page.user_analysis import METRIC, QueryFacts, analyze_users
from bench.report.tables.build import stored_table
from bench.report.tables.layout import Slot
from bench.report.tables.values import read_group

if TYPE_CHECKING:
    from bench.report.page.overview_content import QueryView
    from bench.report.tables.table import Cell, Table, TableRow
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

DECIMALS = 6
METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "hit@5", "hit@10", "mrr@5", "mrr@10")
"""Metrics of the page; Hit@1 is omitted, because it equals NDCG@1 with one positive."""


@dataclass(frozen=True)
class Sources:
    """What boards are computed from."""

    registry: Registry
    facts_of: FactsOf
    titles: Titles
    """Collects the titles of the items shown."""


def boards_of(records: Iterable[RunRecord], store: RunStore, sources: Sources) -> list[Board]:
    """Return one board per set of runs that ranked the same candidates for the same queries, sorted by title."""
    parts: dict[tuple[object, ...], list[RunRecord]] = {}
    for record in map(_with_policy_that_counts, records):
        parts.setdefault(_comparable(record), []).append(record)
    boards = [_board(ChosenRuns.of(store, tuple(part)), sources) for part in parts.values()]
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


def _board(store: ChosenRuns, sources: Sources) -> Board:
    first = store.chosen[0]
    protocol = first.spec.protocol
    table = stored_table(protocol.dataset, protocol.setting, METRICS, store, sources.registry)
    by_id = {record.id: record for record in store.chosen}
    rows = [[by_id[run_id] for run_id in row.cells[0].run_ids] for row in table.rows]
    values = read_group([Slot(tuple(records)) for records in rows], store)
    facts = sources.facts_of(first)
    shown = _rows(table, rows, store, sources.registry)
    name = dataset_name(protocol.dataset)
    board_id = _board_id(first)
    return Board(
        id=board_id,
        title=name + table.groups[0].title.removeprefix(protocol.dataset),
        dataset=protocol.dataset,
        dataset_name=name,
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
        rows=shown,
        users=analyze_users(values, facts),
        queries=_queries(board_id, shown, rows, facts, store, sources.titles),
    )


def _board_id(record: RunRecord) -> str:
    protocol, limit = record.spec.protocol, record.spec.limit_queries
    parts = [protocol.dataset, protocol.setting, record.candidates_hash]
    return "-".join([*parts, *(["full"] * record.spec.full_ranking), *([f"{limit}"] if limit else [])])


def _queries(
    board: str,
    shown: Sequence[BoardRow],
    rows: Sequence[Sequence[RunRecord]],
    facts: QueryFacts | str,
    store: ChosenRuns,
    titles: Titles,
) -> tuple[QueryView, ...]:
    if isinstance(facts, str) or facts.lists is None:
        return ()
    results = []
    for row, records in zip(shown, rows, strict=True):
        queries = store.queries_of(records[0])
        counts = not row.toy and not row.reference
        results.append(RowRanks(queries.ranks, queries.tops, records[0].n_candidates, counts))
    return query_views(results, facts.lists, board, records[0].spec.full_ranking, titles)


def _footnotes(table: Table) -> tuple[str, ...]:
    """Return the table's notes except departures, which are shown on the methods' pages."""
    return tuple(note for note in table.footnotes if not note.startswith("Departures"))


def _rows(
    table: Table, rows: Sequence[Sequence[RunRecord]], store: RunStore, registry: Registry
) -> tuple[BoardRow, ...]:
    """Return the rows of a board; of each method, the row with the highest value is its best."""
    found = [_row(row, records, store, registry) for row, records in zip(table.rows, rows, strict=True)]
    best: dict[str, BoardRow] = {}
    for row in found:
        if row.method not in best or _merit(row) > _merit(best[row.method]):
            best[row.method] = row
    return tuple(replace(row, best=best[row.method] is row) for row in found)


def _merit(row: BoardRow) -> tuple[bool, float]:
    """Return what decides between the rows of a method: rows that are not ranked come last."""
    figure = row.figures[METRICS.index(METRIC)]
    return not row.toy and not row.reference, -1.0 if figure is None else figure.value


def _row(row: TableRow, records: Sequence[RunRecord], store: RunStore, registry: Registry) -> BoardRow:
    return BoardRow(
        label=row.label,
        method=row.method,
        name=method_name(row.method, registry),
        variant=variant_of(row.label, row.method),
        best=True,
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
