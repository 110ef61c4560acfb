"""Find the stored runs for each place of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any, get_args

from bench.data.names import check_name
from bench.errors import BenchError, did_you_mean
from bench.experiments.scaling import sizes_of, with_sizes
from bench.files.hashing import canonical_json
from bench.plugin import Entry, Family
from bench.plugin.entry import displayed_family
from bench.registry import Registry, load
from bench.report.tables.table import CatalogueGroup, ColumnGroup
from bench.runs.params import neutral_defaults
from bench.runs.record import RunRecord, describe_variant
from bench.runs.request import RequestOption, RunRequest, run_options
from bench.spec import N_NEGATIVES, Candidates, RunSpec, Setting

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow

WHOLE_CATALOGUE = "full catalogue"


@dataclass(frozen=True)
class Slot:
    """The runs of one row in one column group, one per seed."""

    records: tuple[RunRecord, ...]
    missing: tuple[str, ...] = ()
    """Commands for the missing runs."""


@dataclass(frozen=True)
class RowSlots:
    """One row of a table, before values are read."""

    label: str
    method: str
    reference: bool
    slots: tuple[Slot, ...]
    """One per column group."""
    group: str = ""
    """Heading of the rows of the same group."""
    ours: bool = False
    """Whether it is compared with the best other row."""
    explained: str = ""
    """Why it may be below the linear map of title vectors."""

    @property
    def records(self) -> list[RunRecord]:
        """All runs of the row."""
        return _records_of(self.slots)


@dataclass(frozen=True)
class Layout:
    """Rows and column groups of a table, before values are read."""

    groups: tuple[ColumnGroup, ...]
    rows: tuple[RowSlots, ...]
    n_negatives: int = N_NEGATIVES
    """Negatives per query of the runs that the table needs."""


def experiment_layout(experiment: Experiment, records: Iterable[RunRecord], registry: Registry) -> Layout:
    """Find the stored run for each place of an experiment's table."""
    stored = list(records)
    asked = product(experiment.datasets, experiment.settings, experiment.candidates)
    places = [(dataset, setting, among) for dataset, setting, among in asked if dataset.runs_in(setting)]
    groups = tuple(_experiment_group(experiment, *place) for place in places)
    rows = tuple(_experiment_row(experiment, row, places, stored, registry) for row in experiment.rows)
    return Layout(groups, rows, experiment.n_negatives)


def stored_layout(dataset: str, setting: str, records: Iterable[RunRecord], registry: Registry) -> Layout:
    """Arrange all stored runs on one dataset in one setting; raise BenchError if there are none."""
    chosen = [r for r in records if (r.spec.protocol.dataset, r.spec.protocol.setting) == (dataset, setting)]
    if not chosen:
        check_name(dataset)
        command = f"bench run --method popularity --dataset {dataset} --setting {setting}"
        raise BenchError(f"No runs on dataset '{dataset}' in setting '{setting}' are stored. Start with '{command}'.")
    return runs_layout(chosen, registry)


def runs_layout(records: Sequence[RunRecord], registry: Registry) -> Layout:
    """Arrange stored runs with one row per variant of a method; a cell contains all of its seeds.

    Runs on another dataset, or with another setting, cold policy, split seed or sample of queries get their own column
    group.
    """
    groups = list(dict.fromkeys(_group_of(record) for record in records))
    variants = sorted({_variant(record): record for record in records}.items(), key=lambda item: item[0])
    labels = _labels([record for _, record in variants])
    rows = tuple(
        _stored_row(label, [record for record in records if _variant(record) == key], groups, registry)
        for label, (key, _) in zip(labels, variants, strict=True)
    )
    return Layout(tuple(groups), rows)


def with_ours(rows: Sequence[RowSlots], names: Sequence[str]) -> tuple[RowSlots, ...]:
    """Mark the rows with these labels or methods, in any case, as ours; raise BenchError for a name without a row."""
    wanted = {name.lower(): name for name in names}
    known = {name.lower() for row in rows for name in (row.label, row.method)}
    for name in wanted.keys() - known:
        labels = [row.label for row in rows]
        raise BenchError(
            f"--ours {wanted[name]}: the table has no row of this label or method."
            f"{did_you_mean(name, known)} Rows: {', '.join(labels)}."
        )
    return tuple(
        replace(row, ours=row.ours or bool(wanted.keys() & {row.label.lower(), row.method.lower()})) for row in rows
    )


def matches(
    request: RunRequest, record: RunRecord, entry: Entry | None, sizes: Callable[[], Mapping[str, float]] = dict
) -> bool:
    """Whether a stored run is the one a table needs.

    Parameters are compared by the record's overrides, so that no method's module has to be imported.

    Args:
        request: The run needed by the table.
        record: The stored run.
        entry: The method's registry entry; None if the method is not installed.
        sizes: Returns the method's parameters that the table's scale limits; only called if everything else matches,
            because it may import the method's module.
    """
    spec = record.spec
    return (
        spec.method == request.method
        and spec.protocol.key() == request.protocol.key()
        and all(_agrees(option, spec, request, entry) for option in run_options())
        and _same_params(_wanted_params(request, record, sizes()), record, entry)
    )


def known_entry(registry: Registry, method: str) -> Entry | None:
    """Return a method's entry; None if the method is not installed."""
    try:
        return registry.entry(method)
    except BenchError:
        return None


def _experiment_row(
    experiment: Experiment,
    row: ExperimentRow,
    places: Sequence[tuple[ExperimentDataset, Setting, Candidates]],
    records: Sequence[RunRecord],
    registry: Registry,
) -> RowSlots:
    entry, sizes = known_entry(registry, row.method), cache(partial(sizes_of, row.method, experiment.scale, registry))
    slots = []
    for dataset, setting, among in places:
        can_rank = among == "sampled" or entry is None or entry.ranks_catalogue
        is_wanted = can_rank and experiment.wants(row, dataset, setting)
        repetitions = experiment.repetitions(row) if is_wanted else ()
        wanted = [experiment.request(row, dataset, setting, seed, subset, among) for seed, subset in repetitions]
        slots.append(_slot(experiment, wanted, records, entry, sizes))
    is_reference = row.reference or is_reference_row(_records_of(slots), entry)
    return RowSlots(row.label, row.method, is_reference, tuple(slots), row.group, row.ours, row.explained)


def _slot(
    experiment: Experiment,
    wanted: Sequence[RunRequest],
    records: Sequence[RunRecord],
    entry: Entry | None,
    sizes: Callable[[], Mapping[str, float]],
) -> Slot:
    found, missing = [], []
    for request in wanted if entry is None else [one.used_by(entry) for one in wanted]:
        newest = _newest(one for one in records if matches(request, one, entry, sizes))
        if newest is None:
            missing.append(experiment.command(request))
        else:
            found.append(newest)
    return Slot(tuple(found), tuple(missing))


def _stored_row(
    label: str, records: Sequence[RunRecord], groups: Sequence[ColumnGroup], registry: Registry
) -> RowSlots:
    entry = known_entry(registry, records[0].spec.method)
    slots = []
    for group in groups:
        inside = [record for record in records if _group_of(record) == group]
        repetitions = sorted({record.repetition for record in inside})
        newest = [_newest(record for record in inside if record.repetition == one) for one in repetitions]
        slots.append(Slot(tuple(record for record in newest if record is not None)))
    family = displayed_family(records[0].family).replace("-", " ").capitalize()
    return RowSlots(label, records[0].spec.method, is_reference_row(_records_of(slots), entry), tuple(slots), family)


def is_reference_row(records: Sequence[RunRecord], entry: Entry | None) -> bool:
    """Whether the runs of a method receive the answers or tie every query, so that comparing them is meaningless."""
    is_constant = bool(records) and all(record.tie_rate == 1.0 and record.family == "control" for record in records)
    return is_constant or (entry is not None and entry.privileged)


def _records_of(slots: Iterable[Slot]) -> list[RunRecord]:
    return [record for slot in slots for record in slot.records]


def _newest(records: Iterable[RunRecord]) -> RunRecord | None:
    # several match only if a method's defaults were changed between the runs; the last one has the current ones
    return max(records, key=lambda record: record.created, default=None)


def _agrees(option: RequestOption, stored: RunSpec, request: RunRequest, entry: Entry | None) -> bool:
    """Compare one option, which has its default in a run of a method that does not use it."""
    found, wanted = (_in_any_order(option.value_in(one)) for one in (stored, request))
    unused = _in_any_order(option.default)
    if entry is None and option.facts["needs"]:
        return found in (wanted, unused)
    if entry is not None and not option.is_used_by(entry):
        return bool(found == unused)
    if (
        option.name == "sources" and not wanted
    ):  # without sources, a table uses those of the dataset card, whatever they were when the run was made
        return bool(found)
    return bool(found == wanted)


def _in_any_order(value: Any) -> Any:
    return sorted(value) if isinstance(value, tuple) else value


def _wanted_params(request: RunRequest, record: RunRecord, sizes: Mapping[str, float]) -> dict[str, Any]:
    return with_sizes(request.params, {name: size for name, size in sizes.items() if name in record.spec.params})


def _same_params(wanted: Mapping[str, Any], record: RunRecord, entry: Entry | None) -> bool:
    stored = record.spec.params
    if not set(record.overrides) <= wanted.keys():
        return False
    kept = {name: value for name, value in wanted.items() if name in stored}
    return _equal(kept, stored) and (len(kept) == len(wanted) or _equal(wanted, {**_neutral(entry), **stored}))


def _neutral(entry: Entry | None) -> dict[str, Any]:
    """Return the parameters that are not part of a spec at their defaults, which only the method's class defines."""
    return {} if entry is None or not entry.target else neutral_defaults(load(entry.target).Params)


def _equal(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    return all(_comparable(wanted[name]) == _comparable(stored.get(name)) for name in wanted)


def _comparable(value: Any) -> str:
    # a file may say 0 where the parameter is 0.0
    return canonical_json(float(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _group_of(record: RunRecord) -> ColumnGroup:
    protocol, limit = record.spec.protocol, record.spec.limit_queries
    title = _title(protocol.dataset, protocol.setting, protocol.policy)
    parts = [title] + [f"split seed {protocol.seed}"] * bool(protocol.seed) + [f"{limit} queries"] * bool(limit)
    parts += [f"{protocol.n_negatives} negatives"] * (protocol.n_negatives != N_NEGATIVES)
    listed = ", ".join(parts)
    place = (protocol.dataset, protocol.setting, protocol.policy)
    if record.spec.full_ranking:
        title = f"{listed}, {WHOLE_CATALOGUE}"
        return CatalogueGroup(*place, title, dataset_title=protocol.dataset, listed_title=listed)
    return ColumnGroup(*place, listed, dataset_title=protocol.dataset)


def _experiment_group(
    experiment: Experiment, dataset: ExperimentDataset, setting: Setting, among: Candidates
) -> ColumnGroup:
    place = (dataset.name, setting, experiment.policy)
    title = _title(dataset.title, setting, experiment.policy)
    if experiment.candidates == ("sampled",):
        return ColumnGroup(*place, title, dataset_title=dataset.title)
    listed = f"{title}, {experiment.n_negatives} negatives"
    if among == "sampled":
        return ColumnGroup(*place, listed, dataset_title=dataset.title)
    title = f"{title}, {WHOLE_CATALOGUE}"
    return CatalogueGroup(*place, title, dataset_title=dataset.title, listed_title=listed)


def _title(dataset_title: str, setting: str, policy: str) -> str:
    named = f" ({policy})" if setting == "cold" and policy != "holdout" else ""
    return f"{dataset_title}, {setting}{named}"


def _variant(record: RunRecord) -> tuple[int, str, str]:
    """Return what identifies a row of stored runs: family, method, and all options except protocol, seed and sample."""
    spec = record.spec
    families: tuple[str, ...] = get_args(Family)
    family = families.index(record.family) if record.family in families else len(families)
    rest = [option.value_in(spec) for option in run_options() if not option.is_circumstance]
    return family, spec.method, canonical_json([record.overrides, *rest])


def _labels(records: Sequence[RunRecord]) -> list[str]:
    methods = [record.spec.method for record in records]
    return [
        method if methods.count(method) == 1 else f"{method} ({describe_variant(record, of_row=True) or 'defaults'})"
        for method, record in zip(methods, records, strict=True)
    ]
