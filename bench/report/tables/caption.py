"""Captions and notes of a table: what is compared, on which queries, and what the symbols mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.metrics import N_CANDIDATES
from bench.report.tables.legend import BEST_AND_SECOND
from bench.report.tables.options import DEFAULT_OPTIONS, TableOptions
from bench.report.tables.table import CatalogueGroup, ColumnGroup, TableRow
from bench.report.tables.texts import figure, metric_title
from bench.significance.comparison import FEW_USERS, POWER, Contrast
from bench.significance.tests import TEST_TITLES, StarStyle, Test

if TYPE_CHECKING:
    from bench.report.tables.layout import RowSlots
    from bench.runs.record import RunRecord

TOY_NOTE = "†toy: toy language model; not indicative of the method, and excluded from bold and significance marks."
TRANSDUCTIVE_NOTE = "‡: uses unlabeled test queries during training (transductive)."
EXTERNAL_NOTE = "§: scores computed by another program and imported; bench cannot repeat the run."
REFERENCE_NOTE = "Reference rows (not ranked): {labels}."
DEVIATION_NOTE = "Departures from the paper ({labels}): {sentence}"
POWER_NOTE = (
    f"Minimum detectable difference between best and second ({100 * POWER:.0f}% power, 5% level before correction), "
    "{metric}: {sizes}."
)
FEW_USERS_NOTE = (
    "Warning: few users: {groups}. Smaller differences are missed in more than 20% of cases, so a missing mark does "
    "not mean that two methods are equal."
)
UNSTATED_NOTE = "Stored before records contained all data and code versions: {missing} of {runs} runs."
MOST_LABELS = 3
"""Maximum number of rows listed in a note; in a sweep, twenty rows can share one departure."""


@dataclass(frozen=True)
class Star:
    """The significance test of a table."""

    test: Test = "t-test"
    level: float = 0.05
    """Significance level of corrected p-values."""
    metrics: tuple[str, ...] | None = None
    """Metrics that are tested; None tests all."""
    style: StarStyle = "star"
    """``star`` marks a best score that differs from the second, ``ours`` our rows that are better than all others;
    ``letters`` list the lower rows of each score."""

    def applies_to(self, metric: str) -> bool:
        """Whether the best value of this metric is tested."""
        return self.metrics is None or metric in self.metrics


@dataclass(frozen=True)
class Repeated:
    """The number of runs of each score."""

    n_seeds: int
    n_subsets: int = 1
    """Subsets of training users, for rows trained on a number of users."""

    @classmethod
    def of(cls, rows: Sequence[RowSlots]) -> Repeated:
        """Count the seeds and subsets over all rows' runs."""
        specs = [record.spec for row in rows for record in row.records]
        subsets = {spec.train_subset for spec in specs if spec.train_users is not None}
        return cls(len({spec.seed for spec in specs}), len(subsets) or 1)

    @property
    def what(self) -> str:
        """What scores are means over; empty if there is one run per score."""
        parts = ["seeds"] * (self.n_seeds > 1) + ["subsets of training users"] * (self.n_subsets > 1)
        return " and ".join(parts)

    def sentence(self) -> str:
        """Return the caption's sentence on repeated runs."""
        of_users = f"{self.n_subsets} subsets of training users (in rows trained on a number of users)"
        parts = [f"{self.n_seeds} seeds"] * (self.n_seeds > 1) + [of_users] * (self.n_subsets > 1)
        one_seed = "One seed." if self.n_seeds == 1 else ""
        levels = "confidence intervals from a hierarchical bootstrap over users and runs"
        means = f"Mean ± standard deviation over {' and '.join(parts)}; {levels}." if parts else ""
        return " ".join(filter(None, [one_seed, means]))

    def note(self, records: Sequence[RunRecord]) -> str:
        """Return the footnote on a score with missing runs; empty if no run is missing."""
        has_subsets = any(record.spec.train_users is not None for record in records)
        expected = self.n_seeds * (self.n_subsets if has_subsets else 1)
        what = "runs" if has_subsets else "seeds"
        return "" if len(records) == expected else f"{len(records)} of {expected} {what}"


def full_caption(
    caption: str,
    groups: Sequence[ColumnGroup],
    rows: Sequence[RowSlots],
    repeated: Repeated,
    star: Star,
    families: Sequence[int] = (),
    percent: bool = False,
    n_candidates: int = N_CANDIDATES,
) -> str:
    """Return the complete caption: title, candidates, symbols, significance test, queries, seeds and language model."""
    sentences = [
        caption,
        _ranking_sentence(rows, groups, n_candidates),
        "Scores in percent." if percent else "",
        BEST_AND_SECOND,
        _star_sentence(star, repeated, families),
        _queries_sentence(groups),
        repeated.sentence(),
        _backbone_sentence(rows),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def key_notes(rows: Sequence[TableRow], groups: Sequence[ColumnGroup], metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the notes without which rows and scores are misread: symbols of rows, reference rows, missing seeds."""
    notes = [TOY_NOTE] * any(row.toy for row in rows) + [TRANSDUCTIVE_NOTE] * any(row.transductive for row in rows)
    notes += [EXTERNAL_NOTE] * any(row.is_external for row in rows)
    references = [row.label for row in rows if row.reference]
    notes += [REFERENCE_NOTE.format(labels=_shortened(references))] if references else []
    notes += [
        f"{row.label}, {group.title}: {row.cells[number * len(metrics)].note}."
        for row in rows
        for number, group in enumerate(groups)
        if row.cells[number * len(metrics)].note
    ]
    return tuple(notes)


def footnotes(
    rows: Sequence[TableRow],
    groups: Sequence[ColumnGroup],
    metrics: Sequence[str],
    slots: Sequence[RowSlots],
    options: TableOptions = DEFAULT_OPTIONS,
) -> tuple[str, ...]:
    """Return the notes below the table: symbols of rows, missing runs, power, departures, warnings."""
    notes = [*_power(rows, groups, metrics, options), *_deviations(slots), *_unstated(slots), *_warnings(slots, groups)]
    return key_notes(rows, groups, metrics) + tuple(notes)


def _unstated(rows: Sequence[RowSlots]) -> list[str]:
    """Return a note on runs whose records do not contain all data and code versions."""
    stated = {record.id: record.provenance.is_complete for row in rows for record in row.records}
    missing = len(stated) - sum(stated.values())
    return [UNSTATED_NOTE.format(missing=missing, runs=len(stated))] if missing else []


def _warnings(rows: Sequence[RowSlots], groups: Sequence[ColumnGroup]) -> list[str]:
    """Return the runs' distinct warnings, with their column groups if there are several."""
    places: dict[str, list[str]] = {}
    for group, slots in zip(groups, zip(*(row.slots for row in rows), strict=True), strict=True):
        for warning in dict.fromkeys(line for slot in slots for record in slot.records for line in record.warnings):
            places.setdefault(warning, []).append(group.title)
    if len(groups) == 1:
        return [f"Warning: {warning}" for warning in places]
    return [f"Warning ({'; '.join(titles)}): {warning}" for warning, titles in places.items()]


def _power(
    rows: Sequence[TableRow], groups: Sequence[ColumnGroup], metrics: Sequence[str], options: TableOptions
) -> list[str]:
    """Return the minimum detectable differences between best and second, and a warning about few users."""
    sizes: dict[str, list[str]] = {}
    few = []
    for number, group in enumerate(groups):
        for metric, best_to_second in _detectable(rows, number, metrics):
            size = figure(best_to_second.detectable_difference, bool(options.percent), decimals=options.precision)
            sizes.setdefault(metric, []).append(f"{group.title} {size}")
            few += [f"{group.title} ({best_to_second.n})"] if best_to_second.n < FEW_USERS else []
    notes = [POWER_NOTE.format(metric=metric_title(metric), sizes="; ".join(found)) for metric, found in sizes.items()]
    return notes + ([FEW_USERS_NOTE.format(groups=", ".join(few))] if few else [])


def _detectable(rows: Sequence[TableRow], group: int, metrics: Sequence[str]) -> list[tuple[str, Contrast]]:
    """Return the first tested metric of a group, with its contrast of best and second, if there is one."""
    found = [
        (metric, cell.behind_best)
        for number, metric in enumerate(metrics)
        for cell in (row.cells[group * len(metrics) + number] for row in rows)
        if cell.second and cell.behind_best is not None
    ]
    return found[:1]


def _deviations(rows: Sequence[RowSlots]) -> list[str]:
    """Return the departures from the papers stated by the runs, with one note per set of rows."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        said = dict.fromkeys(line for record in row.records for line in record.fit.deviations)
        for sentence in said:
            labels.setdefault(_as_sentence(sentence), []).append(row.label)
    sentences: dict[str, list[str]] = {}
    for sentence, rows_ in labels.items():
        sentences.setdefault(_shortened(rows_), []).append(sentence)
    return [DEVIATION_NOTE.format(labels=names, sentence=" ".join(said)) for names, said in sentences.items()]


def _as_sentence(words: str) -> str:
    """Return the text with an initial capital and a final period, which a plugin may have omitted."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?", ".)")) else ".")


def _shortened(labels: Sequence[str]) -> str:
    rest = len(labels) - MOST_LABELS
    return ", ".join(labels[:MOST_LABELS]) + (f" and {rest} more" if rest > 0 else "")


def _ranking_sentence(rows: Sequence[RowSlots], groups: Sequence[ColumnGroup], n_candidates: int) -> str:
    found = {record.n_candidates for row in rows for record in row.records if not record.spec.full_ranking}
    whole = [group for group in groups if isinstance(group, CatalogueGroup)]
    among = []
    if found or len(whole) < len(groups):
        among.append(f"{' or '.join(map(str, sorted(found or {n_candidates})))} candidates")
    if whole:
        sizes = " or ".join(f"{size:,}" for size in sorted({group.n_items for group in whole if group.n_items}))
        size = f"{sizes} items, " if sizes else ""
        among.append(f"the full catalogue ({size}except those the user has interacted with)")
    return f"One positive among {' or '.join(among)}; ties count as their expected value."


def family_sizes(rows: Sequence[TableRow]) -> list[int]:
    """Return the distinct numbers of comparisons per column that are corrected for the marks, ascending."""
    cells = [cell for row in rows for cell in row.cells]
    of_ours = {cell.over_baseline.family_size for cell in cells if cell.over_baseline is not None}
    return sorted(of_ours or {cell.family_size for cell in cells if cell.family_size is not None})


def _star_sentence(star: Star, repeated: Repeated, families: Sequence[int]) -> str:
    tested = "" if star.metrics is None else f" ({', '.join(map(metric_title, star.metrics))} only)"
    means = f" on each user's mean over {repeated.what}" if repeated.what else ""
    over_runs = (
        f"; in addition, the interval over users and runs excludes zero, and a t-test on the means of runs has "
        f"p < {star.level:g}"
    )
    mark, family = {
        "star": ("*{}: significantly better than the runner-up", "comparisons of the best row with all eligible rows"),
        "ours": ("*{}: ours, significantly better than the best baseline", "comparisons of ours with all baselines"),
        "letters": ("Letters{}: rows that are significantly lower", "all pairs of eligible rows"),
    }[star.style]
    size = f" ({_counted(families)})" if families else ""
    return (
        f"{mark.format(tested)} (p < {star.level:g}, {TEST_TITLES[star.test]}{means}, Holm-corrected per column over "
        f"{family}{size}{over_runs if repeated.what else ''})."
    )


def _counted(families: Sequence[int]) -> str:
    sizes = str(families[0]) if len(families) == 1 else f"{families[0]} to {families[-1]}"
    return f"{sizes} comparison{'' if families[-1] == 1 else 's'}"


def _queries_sentence(groups: Sequence[ColumnGroup]) -> str:
    parts = [
        f"{group.title}: n = {group.n_queries:,}, candidates {group.candidates_hash}"
        for group in groups
        if group.n_queries is not None
    ]
    return f"Queries and candidates: {'; '.join(parts)}." if parts else ""


def _backbone_sentence(rows: Sequence[RowSlots]) -> str:
    used = dict.fromkeys(
        f"{record.spec.backbone} (toy)" if record.toy else record.spec.backbone
        for row in rows
        for record in row.records
        if record.spec.backbone
    )
    return f"Language model: {', '.join(used)}." if used else ""
