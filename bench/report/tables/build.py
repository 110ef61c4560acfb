"""Build tables from stored runs: values, marks and stars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.metrics import same_metric
from bench.plugin.fit_report import worst_ending
from bench.report.tables.agreement import UserValues, agreement_notes
from bench.report.tables.caption import Repeated, Star, family_sizes, footnotes, full_caption, key_notes
from bench.report.tables.convergence import convergence_sentence, unchecked_notes, with_arrows
from bench.report.tables.layout import Layout, RowSlots, experiment_layout, runs_layout, stored_layout, with_ours
from bench.report.tables.legend import legend
from bench.report.tables.linear_control import explained_notes, unexplained_sentence
from bench.report.tables.marks import Column, marked, row_letters
from bench.report.tables.merge_weights import merge_weight_notes
from bench.report.tables.options import DEFAULT_OPTIONS, TableOptions
from bench.report.tables.summaries import with_summaries
from bench.report.tables.table import CatalogueGroup, Cell, ColumnGroup, Table, TableRow
from bench.report.tables.texts import figure
from bench.report.tables.values import SlotValues, read_group
from bench.significance.bootstrap import interval, resampled_means
from bench.significance.comparison import spread_over_seeds
from bench.significance.tests import Distinct, bootstrap_interval

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.registry import Registry
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore


def build_table(
    experiment: Experiment, store: RunStore, registry: Registry, options: TableOptions = DEFAULT_OPTIONS
) -> Table:
    """Build an experiment's table from the stored runs; a missing run leaves a dash and its command.

    The experiment already has the columns that the options choose.

    Raises:
        BenchError: the runs of one column group ranked different candidates or scored different users.
    """
    star = Star(experiment.test, experiment.level, experiment.star_metrics, experiment.star_style)
    layout = experiment_layout(experiment, store.records(), registry)
    percent = experiment.percent if options.percent is None else options.percent
    options = replace(options, percent=percent, caption=options.caption or experiment.caption)
    return _table(experiment.name, layout, experiment.metrics, star, store, options)


def stored_table(
    dataset: str,
    setting: str,
    metrics: Sequence[str],
    store: RunStore,
    registry: Registry,
    star: Star | None = None,
    options: TableOptions = DEFAULT_OPTIONS,
) -> Table:
    """Build a table of all stored runs on one dataset in one setting; raise BenchError if there are none."""
    layout = stored_layout(dataset, setting, store.records(), registry)
    options = replace(options, caption=options.caption or f"All stored runs on {dataset}, {setting}.")
    return _table(f"{dataset}-{setting}", layout, tuple(metrics), star or Star(), store, options)


def table_of_runs(
    records: Sequence[RunRecord],
    metrics: Sequence[str],
    store: RunStore,
    registry: Registry,
    star: Star | None = None,
    options: TableOptions = DEFAULT_OPTIONS,
) -> Table:
    """Build a table of these stored runs; raise BenchError if runs of one column group cannot be compared."""
    layout = runs_layout(records, registry)
    chosen = f"Chosen runs of {'; '.join(group.title for group in layout.groups)}."
    options = replace(options, caption=options.caption or chosen)
    return _table("runs", layout, tuple(metrics), star or Star(), store, options)


def _table(
    name: str, layout: Layout, metrics: tuple[str, ...], star: Star, store: RunStore, options: TableOptions
) -> Table:
    layout = replace(layout, rows=with_ours(layout.rows, options.ours))
    star, percent = _with_style(star, options, layout), bool(options.percent)
    ours = [row.ours for row in layout.rows]
    repeated = Repeated.of(layout.rows)
    takes_part = [not row.reference and not _is_toy(row) for row in layout.rows]
    columns: list[list[Cell]] = []
    values: list[UserValues] = []
    groups = []
    for number, group in enumerate(layout.groups):
        slots = [row.slots[number] for row in layout.rows]
        group_values = read_group(slots, store)
        first = next((record for slot in slots for record in slot.records), None)
        groups.append(group if first is None else _with_facts(group, first))
        for column in _columns(group_values, metrics, repeated, options):
            columns.append(marked(column, takes_part, star, ours))
            values.append(column.values)
    letters = row_letters(takes_part) if star.style == "letters" else [""] * len(takes_part)
    rows = [
        _row(row, [column[number] for column in columns], letters[number]) for number, row in enumerate(layout.rows)
    ]
    shown = percent, layout.n_negatives + 1
    said = full_caption(options.caption, groups, layout.rows, repeated, star, family_sizes(rows), *shown)
    unexplained = unexplained_sentence(rows, layout.rows, groups, metrics)
    missing = dict.fromkeys(command for row in layout.rows for slot in row.slots for command in slot.missing)
    table = Table(
        name=name,
        title=options.caption,
        caption=" ".join(filter(None, [said, convergence_sentence(rows), unexplained])),
        groups=tuple(groups),
        metrics=metrics,
        rows=tuple(rows),
        percent=percent,
        footnotes=footnotes(rows, groups, metrics, layout.rows, options),
        missing=tuple(missing),
        legend=legend(rows, star, repeated, percent),
        key_notes=key_notes(rows, groups, metrics),
        options=options,
    )
    found = agreement_notes(table, values, star) + merge_weight_notes(layout.rows, groups)
    found += explained_notes(layout.rows) + unchecked_notes(layout.rows)
    return with_summaries(replace(table, footnotes=found + table.footnotes))


def _with_style(star: Star, options: TableOptions, layout: Layout) -> Star:
    """Return the star with the marks that the options ask for; naming rows that are ours asks for theirs."""
    style = options.marks or ("ours" if options.ours and star.style == "star" else star.style)
    if style == "ours" and not any(row.ours for row in layout.rows):
        raise BenchError(
            "--marks ours needs a row that is ours: add --ours LABEL, or 'ours: true' to a row of the file."
        )
    return replace(star, style=style)


def _with_facts(group: ColumnGroup, record: RunRecord) -> ColumnGroup:
    facts: dict[str, Any] = {"candidates_hash": record.candidates_hash, "n_queries": record.n_queries}
    if isinstance(group, CatalogueGroup):
        facts["n_items"] = record.n_candidates
    return replace(group, **facts)


def _is_toy(row: RowSlots) -> bool:
    return any(record.toy for record in row.records)


def _row(row: RowSlots, cells: list[Cell], letter: str) -> TableRow:
    plain = TableRow(
        label=row.label,
        method=row.method,
        cells=tuple(cells),
        toy=_is_toy(row),
        transductive=any(record.transductive for record in row.records),
        reference=row.reference,
        letter=letter,
        group=row.group,
        ours=row.ours,
    )
    return with_arrows(plain)


def _columns(
    group_values: Sequence[SlotValues], metrics: Sequence[str], repeated: Repeated, options: TableOptions
) -> list[Column]:
    """Return one column per metric; if any row has several seeds, all columns share the resampled users."""
    by_metric = [[slot.by_seed(metric) if slot.records else None for slot in group_values] for metric in metrics]
    draws = _shared_draws(by_metric)
    columns = []
    for number, (metric, values) in enumerate(zip(metrics, by_metric, strict=True)):
        drawn = None if draws is None else draws[number]
        cells = tuple(
            Cell() if by_seed is None else _cell(slot, metric, by_seed, None if drawn is None else drawn[row], repeated)
            for row, (slot, by_seed) in enumerate(zip(group_values, values, strict=True))
        )
        means = tuple(None if by_seed is None else by_seed.mean(axis=0) for by_seed in values)
        of_seeds = tuple(None if by_seed is None else by_seed.mean(axis=1) for by_seed in values)
        columns.append(Column(metric, tuple(_printed(cell, options) for cell in cells), means, drawn, of_seeds))
    return columns


def _shared_draws(
    by_metric: Sequence[Sequence[NDArray[np.float64] | None]],
) -> list[tuple[NDArray[np.float64] | None, ...]] | None:
    """Return the resampled means of each metric and row; None if no row has more than one seed."""
    present = [by_seed for values in by_metric for by_seed in values if by_seed is not None]
    if all(len(by_seed) == 1 for by_seed in present):
        return None
    means = iter(resampled_means(present, np.random.default_rng(derived_seed(0, "users and seeds"))))
    return [tuple(None if by_seed is None else next(means) for by_seed in values) for values in by_metric]


def _cell(
    slot: SlotValues, metric: str, by_seed: NDArray[np.float64], draws: NDArray[np.float64] | None, repeated: Repeated
) -> Cell:
    found, n_users = by_seed.shape
    low, high = _interval(metric, by_seed, draws)
    return Cell(
        value=float(by_seed.mean()),
        low=low,
        high=high,
        sd=spread_over_seeds(by_seed),
        n=n_users,
        n_seeds=found,
        run_ids=tuple(record.id for record in slot.records),
        note=repeated.note(slot.records),
        ended=worst_ending(record.fit.ended for record in slot.records),
    )


def _printed(cell: Cell, options: TableOptions) -> Cell:
    if cell.value is None:
        return cell
    mean, *spread = (
        figure(value, bool(options.percent), decimals=options.precision)
        for value in (cell.value, cell.sd)
        if value is not None
    )
    return replace(cell, text=" ± ".join([mean, *spread]))


def _interval(metric: str, by_seed: NDArray[np.float64], draws: NDArray[np.float64] | None) -> tuple[float, float]:
    """Return the interval over users, or over users and seeds."""
    if len(by_seed) > 1 and draws is not None:
        return interval(draws)
    rng = np.random.default_rng(derived_seed(0, "interval", same_metric(metric)))
    return bootstrap_interval(Distinct.of(by_seed[0]), rng)
