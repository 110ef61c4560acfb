"""From stored runs to a table: values, marks and stars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.experiment import Experiment
from bench.hashing import derived_seed
from bench.registry import Registry
from bench.report.agreement import agreement_notes
from bench.report.caption import Star, footnotes, full_caption
from bench.report.slots import Layout, RowSlots, experiment_layout, stored_layout
from bench.report.table import CatalogueGroup, Cell, ColumnGroup, Table, TableRow, figure
from bench.report.values import SlotValues, read_group
from bench.runs import RunRecord, RunStore
from bench.significance import Distinct, bootstrap_interval, holm, p_value, paired_differences

EQUAL_WITHIN = 1e-12
"""Means this close share a mark."""


@dataclass(frozen=True, eq=False)
class _Column:
    """One metric of one column group: a cell and the per-user values (over seeds) of each row."""

    cells: list[Cell]
    values: list[NDArray[np.float64] | None]


def build_table(experiment: Experiment, store: RunStore, registry: Registry) -> Table:
    """Build an experiment's table from the stored runs; a run that is missing leaves a dash and its command.

    Raises BenchError where the runs of one column group ranked different candidates or scored different users.
    """
    star = Star(experiment.test, experiment.level, experiment.star_metrics)
    layout = experiment_layout(experiment, store.records(), registry)
    return _table(experiment.name, experiment.caption, layout, experiment.metrics, star, store, experiment.percent)


def stored_table(
    dataset: str, setting: str, metrics: Sequence[str], store: RunStore, registry: Registry, star: Star | None = None
) -> Table:
    """Build a table of every stored run of one dataset and setting; raise BenchError where there is none."""
    layout = stored_layout(dataset, setting, store.records(), registry)
    caption = f"All stored runs of {dataset}, {setting}."
    return _table(f"{dataset}-{setting}", caption, layout, tuple(metrics), star or Star(), store)


def _table(
    name: str,
    caption: str,
    layout: Layout,
    metrics: tuple[str, ...],
    star: Star,
    store: RunStore,
    percent: bool = False,
) -> Table:
    n_seeds = len({record.spec.seed for row in layout.rows for record in row.records})
    takes_part = [not row.reference and not _is_toy(row) for row in layout.rows]
    columns: list[list[Cell]] = []
    values: list[list[NDArray[np.float64] | None]] = []
    groups = []
    for number, group in enumerate(layout.groups):
        slots = [row.slots[number] for row in layout.rows]
        group_values = read_group(slots, store)
        first = next((record for slot in slots for record in slot.records), None)
        groups.append(group if first is None else _with_facts(group, first))
        for metric in metrics:
            column = _column(group_values, metric, n_seeds, percent)
            columns.append(_marked(column, takes_part, star, metric))
            values.append(column.values)
    rows = [_row(row, [column[number] for column in columns]) for number, row in enumerate(layout.rows)]
    missing = dict.fromkeys(command for row in layout.rows for slot in row.slots for command in slot.missing)
    table = Table(
        name=name,
        caption=full_caption(caption, groups, layout.rows, n_seeds, star, percent),
        groups=tuple(groups),
        metrics=metrics,
        rows=tuple(rows),
        percent=percent,
        footnotes=footnotes(rows, groups, metrics, layout.rows),
        missing=tuple(missing),
    )
    return replace(table, footnotes=agreement_notes(table, values, star) + table.footnotes)


def _with_facts(group: ColumnGroup, record: RunRecord) -> ColumnGroup:
    facts: dict[str, Any] = {"candidates_hash": record.candidates_hash, "n_queries": record.n_queries}
    if isinstance(group, CatalogueGroup):
        facts["n_items"] = record.n_candidates
    return replace(group, **facts)


def _is_toy(row: RowSlots) -> bool:
    return any(record.toy for record in row.records)


def _row(row: RowSlots, cells: list[Cell]) -> TableRow:
    return TableRow(
        label=row.label,
        method=row.method,
        cells=tuple(cells),
        toy=_is_toy(row),
        transductive=any(record.transductive for record in row.records),
        reference=row.reference,
    )


def _column(group_values: Sequence[SlotValues], metric: str, n_seeds: int, percent: bool) -> _Column:
    values = [slot.by_seed(metric) if slot.records else None for slot in group_values]
    cells = [
        Cell() if by_seed is None else _cell(slot, metric, by_seed, n_seeds, percent)
        for slot, by_seed in zip(group_values, values, strict=True)
    ]
    return _Column(cells, [None if by_seed is None else by_seed.mean(axis=0) for by_seed in values])


def _cell(slot: SlotValues, metric: str, by_seed: NDArray[np.float64], n_seeds: int, percent: bool) -> Cell:
    found, n_users = by_seed.shape
    low, high = _interval(slot, metric, by_seed)
    value = float(by_seed.mean())
    sd = float(by_seed.mean(axis=1).std(ddof=1)) if found > 1 else None
    return Cell(
        text=figure(value, percent) + ("" if sd is None else f" ± {figure(sd, percent)}"),
        value=value,
        low=low,
        high=high,
        sd=sd,
        n=n_users,
        n_seeds=found,
        run_ids=tuple(record.id for record in slot.records),
        note="" if found == n_seeds else f"{found} of {n_seeds} seeds",
    )


def _interval(slot: SlotValues, metric: str, by_seed: NDArray[np.float64]) -> tuple[float, float]:
    """Return the interval over users: the record's own, or that of the users' means over seeds."""
    stored = slot.records[0].metrics.get(metric)
    if len(by_seed) == 1 and stored is not None:
        return stored["low"], stored["high"]
    rng = np.random.default_rng(derived_seed(0, "interval", metric))
    return bootstrap_interval(Distinct.of(by_seed.mean(axis=0)), rng)


def _marked(column: _Column, takes_part: Sequence[bool], star: Star, metric: str) -> list[Cell]:
    """Mark best and second among the rows that take part, and star a best that differs from the second."""
    rivals = [row for row, cell in enumerate(column.cells) if takes_part[row] and cell.value is not None]
    if len(rivals) < 2:
        return column.cells
    best = _highest(column.cells, rivals)
    second = _highest(column.cells, [row for row in rivals if row not in best])
    cells = list(column.cells)
    if len(best) == 1 and star.applies_to(metric):
        corrected = _against_rivals(column, best[0], rivals, star, metric)
        for row, p in corrected.items():
            cells[row] = replace(cells[row], p_corrected=p)
        is_starred = all(corrected[row] < star.level for row in second)
        cells[best[0]] = replace(cells[best[0]], starred=is_starred)
    for row in best:
        cells[row] = replace(cells[row], best=True)
    for row in second:
        cells[row] = replace(cells[row], second=True)
    return cells


def _highest(cells: Sequence[Cell], rows: Sequence[int]) -> list[int]:
    values = {row: value for row in rows if (value := cells[row].value) is not None}
    top = max(values.values(), default=0.0)
    return [row for row, value in values.items() if value >= top - EQUAL_WITHIN]


def _against_rivals(column: _Column, best: int, rivals: Sequence[int], star: Star, metric: str) -> dict[int, float]:
    """Return the Holm-corrected p-value of the best row against each rival; the family is the column."""
    others = [row for row in rivals if row != best]
    values = column.values
    p_values = [
        p_value(
            star.test,
            paired_differences(_present(values[best]), _present(values[row])),
            np.random.default_rng(derived_seed(0, "star", metric, str(row))),
        )
        for row in others
    ]
    return dict(zip(others, holm(p_values), strict=True))


def _present(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if values is None:
        raise ValueError("a row without runs cannot be a rival")
    return values
