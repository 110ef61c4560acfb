"""Notes on the weight of the target's adapter, for merging methods that choose it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report.tables.layout import RowSlots
    from bench.report.tables.table import ColumnGroup
    from bench.runs.record import RunRecord


def merge_weight_notes(rows: Sequence[RowSlots], groups: Sequence[ColumnGroup]) -> tuple[str, ...]:
    """Return one note with the mean weight over seeds per row and column group; empty if no weight was chosen."""
    said = []
    for row in rows:
        places = []
        for group, slot in zip(groups, row.slots, strict=True):
            weights = [weight for record in slot.records if (weight := chosen_weight(record)) is not None]
            places += [f"{sum(weights) / len(weights):.2f} ({group.title})"] if weights else []
        said += [f"{row.label}: {', '.join(places)}"] if places else []
    return (f"Weight of the target's adapter, as chosen by the method: {'; '.join(said)}.",) if said else ()


def chosen_weight(record: RunRecord) -> float | None:
    """Return the weight of the target's adapter, if it was learned from entropy or chosen on validation queries."""
    merge = record.fit.merge
    return None if record.toy or merge is None else merge.chosen
