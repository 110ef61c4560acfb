"""The words around a table: what is compared, on which queries, and what the marks mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.metrics import N_CANDIDATES
from bench.report.slots import RowSlots
from bench.report.table import CatalogueGroup, ColumnGroup, TableRow, metric_title
from bench.significance import TEST_TITLES, Test

TOY_NOTE = "†toy: made with a toy language model; the figures say nothing of the method and take no mark."
TRANSDUCTIVE_NOTE = "‡: read unlabelled test queries while it was fitted."
REFERENCE_NOTE = "Shown for reference, without marks: {labels}."
DEVIATION_NOTE = "Deviates from its paper ({labels}): {sentence}"
MOST_LABELS = 3
"""Rows that a note names; a sweep has one deviation in twenty rows."""


@dataclass(frozen=True)
class Star:
    """What earns the star."""

    test: Test = "t-test"
    level: float = 0.05
    """Corrected p-values below this earn it."""
    metrics: tuple[str, ...] | None = None
    """Metrics that are tested; None tests all."""

    def applies_to(self, metric: str) -> bool:
        """Whether the best value of this metric is tested."""
        return self.metrics is None or metric in self.metrics


def full_caption(
    caption: str,
    groups: Sequence[ColumnGroup],
    rows: Sequence[RowSlots],
    n_seeds: int,
    star: Star,
    percent: bool = False,
) -> str:
    """Return the caption with everything a reader must know to read the figures."""
    sentences = [
        caption,
        _ranking_sentence(rows, groups),
        "Figures in percent." if percent else "",
        "Best in bold, second underlined.",
        _star_sentence(star, n_seeds),
        _queries_sentence(groups),
        _seeds_sentence(n_seeds),
        _backbone_sentence(rows),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def footnotes(
    rows: Sequence[TableRow], groups: Sequence[ColumnGroup], metrics: Sequence[str], slots: Sequence[RowSlots]
) -> tuple[str, ...]:
    """Return the notes under the table: marks of rows, incomplete seeds, warnings of the runs."""
    notes = [TOY_NOTE] * any(row.toy for row in rows) + [TRANSDUCTIVE_NOTE] * any(row.transductive for row in rows)
    references = [row.label for row in rows if row.reference]
    notes += [REFERENCE_NOTE.format(labels=_shortened(references))] if references else []
    notes += [
        f"{row.label}, {group.title}: {row.cells[number * len(metrics)].note}."
        for row in rows
        for number, group in enumerate(groups)
        if row.cells[number * len(metrics)].note
    ]
    notes += _deviations(slots)
    warnings = dict.fromkeys(warning for row in slots for record in row.records for warning in record.warnings)
    return tuple(notes + [f"Warning: {warning}" for warning in warnings])


def _deviations(rows: Sequence[RowSlots]) -> list[str]:
    """Return what the runs say of their methods' departures from the papers, each sentence once with its rows."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        said = dict.fromkeys(line for record in row.records for line in record.details.get("deviations", ()))
        for sentence in said:
            labels.setdefault(_as_sentence(sentence), []).append(row.label)
    return [DEVIATION_NOTE.format(labels=_shortened(rows_), sentence=line) for line, rows_ in labels.items()]


def _as_sentence(words: str) -> str:
    """Return the words with a capital and a full stop, which a plugin may have left out."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?", ".)")) else ".")


def _shortened(labels: Sequence[str]) -> str:
    rest = len(labels) - MOST_LABELS
    return ", ".join(labels[:MOST_LABELS]) + (f" and {rest} more" if rest > 0 else "")


def _ranking_sentence(rows: Sequence[RowSlots], groups: Sequence[ColumnGroup]) -> str:
    found = {record.n_candidates for row in rows for record in row.records if not record.spec.full_ranking}
    whole = [group for group in groups if isinstance(group, CatalogueGroup)]
    among = []
    if found or len(whole) < len(groups):
        among.append(f"{' or '.join(map(str, sorted(found or {N_CANDIDATES})))} candidates")
    if whole:
        sizes = " or ".join(f"{size:,}" for size in sorted({group.n_items for group in whole if group.n_items}))
        among.append(f"the whole catalogue ({f'{sizes} items, ' if sizes else ''}but for what the user touched)")
    return f"One positive among {' or '.join(among)}; ties count as their expected value."


def _star_sentence(star: Star, n_seeds: int) -> str:
    tested = "" if star.metrics is None else f" ({', '.join(map(metric_title, star.metrics))} alone)"
    means = " on each user's mean over seeds" if n_seeds > 1 else ""
    return (
        f"Star{tested}: the best differs from the second, p < {star.level:g}, {TEST_TITLES[star.test]}{means}, "
        "Holm-corrected; the family is, in each column, the best row against every other row that can be marked."
    )


def _queries_sentence(groups: Sequence[ColumnGroup]) -> str:
    parts = [
        f"{group.title}: n = {group.n_queries:,}, candidates {group.candidates_hash}"
        for group in groups
        if group.n_queries is not None
    ]
    return f"Queries and candidates: {'; '.join(parts)}." if parts else ""


def _seeds_sentence(n_seeds: int) -> str:
    if n_seeds > 1:
        return f"Mean ± standard deviation over {n_seeds} seeds."
    return "One seed." if n_seeds else ""


def _backbone_sentence(rows: Sequence[RowSlots]) -> str:
    used = dict.fromkeys(
        f"{record.spec.backbone} (toy)" if record.toy else record.spec.backbone
        for row in rows
        for record in row.records
        if record.spec.backbone
    )
    return f"Language model: {', '.join(used)}." if used else ""
