"""Name trained rows below the linear map of title vectors, and say why they are below it, or that nothing explains it.

A model that reads titles and learns less from them than a linear map of frozen vectors was trained badly, or hampers
its encoder. Rows that combine several adapters are left out, because these adapters are their controls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bench.report.tables.texts import metric_title

if TYPE_CHECKING:
    from bench.report.tables.layout import RowSlots
    from bench.report.tables.table import ColumnGroup, TableRow
    from bench.runs.record import RunRecord

CONTROL = "text-linear"


def unexplained_sentence(
    rows: Sequence[TableRow], slots: Sequence[RowSlots], groups: Sequence[ColumnGroup], metrics: Sequence[str]
) -> str:
    """Return the caption's sentence on rows below the control without an explanation; empty if there are none."""
    control = next((row for row in rows if row.method == CONTROL), None)
    if control is None:
        return ""
    found = []
    for number, group in enumerate(groups):
        least = control.cells[number * len(metrics)].value
        below = [
            row.label
            for row, own in zip(rows, slots, strict=True)
            if not own.explained
            and is_trained_on_text(own.slots[number].records)
            and _is_below(row.cells[number * len(metrics)].value, least)
        ]
        found += [f"{', '.join(below)} ({group.title})"] if below else []
    said = f"Unexplained, below {control.label} in {metric_title(metrics[0])}"
    return f"{said}: {'; '.join(found)}." if found else ""


def explained_notes(rows: Iterable[RowSlots]) -> tuple[str, ...]:
    """Return the explanations that the experiment states, one note per row."""
    return tuple(f"{row.label}: {row.explained}" for row in rows if row.explained and row.records)


def is_trained_on_text(records: Sequence[RunRecord]) -> bool:
    """Whether runs trained one model that reads titles, which is no control."""
    return any(
        record.spec.backbone is not None and record.family != "control" and _trained_models(record) == 1
        for record in records
    )


def _trained_models(record: RunRecord) -> int:
    trained = [record.fit.training, *record.fit.adapters.values()]
    return sum(report is not None and report.trained for report in trained)


def _is_below(value: float | None, least: float | None) -> bool:
    return value is not None and least is not None and value < least
