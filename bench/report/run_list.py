"""List stored runs: which ones, in which order, and with which columns.

Facts come from the heads of the records. Metrics are computed from the ranks of each listed run, after their hash was
compared with the record, because a record's own metrics could have been edited.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, BenchWarning, did_you_mean
from bench.files.rounding import rounded
from bench.report.metric_names import USUAL_METRICS, checked_metrics
from bench.runs.find import shown_time
from bench.runs.params import aliased

if TYPE_CHECKING:
    from bench.runs.heads import RunHead
    from bench.runs.store import RunStore

Row = dict[str, Any]
FACTS: Mapping[str, Callable[[RunHead], Any]] = MappingProxyType(
    {
        "id": lambda head: head.id,
        "run": lambda head: head.token,
        "method": lambda head: head.spec.method,
        "dataset": lambda head: head.spec.protocol.dataset,
        "setting": lambda head: head.spec.protocol.setting,
        "seed": lambda head: head.spec.seed,
        "variant": lambda head: head.variant,
        "backbone": lambda head: head.spec.backbone,
        "family": lambda head: head.family,
        "queries": lambda head: head.n_queries,
        "device": lambda head: head.device,
        "created": lambda head: head.created,
    }
)
"""Column -> its value."""
USUAL_COLUMNS = ("id", "method", "dataset", "setting", "seed", "variant")
LARGEST_FIRST = ("created", "queries")
"""Columns that are sorted in descending order, as metrics are."""
MOST_WITH_METRICS = 100
"""Number of runs up to which metrics are shown unasked: reading the ranks of a run takes about a millisecond."""


@dataclass(frozen=True)
class RunFilter:
    """Which runs are listed. Texts may contain ``*`` and are compared in any case; None means any."""

    method: str | None = None
    dataset: str | None = None
    setting: str | None = None
    backbone: str | None = None
    seeds: tuple[int, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    """Parameters as given on the command line; a run's values include its method's defaults."""
    full_ranking: bool = False
    """Only runs that ranked the full catalogue."""
    since: str = ""
    """Only runs stored at this ISO 8601 time (UTC) or later."""

    def accepts(self, head: RunHead) -> bool:
        """Whether a run is listed."""
        spec = head.spec
        texts = (
            (self.method, spec.method),
            (self.dataset, spec.protocol.dataset),
            (self.setting, spec.protocol.setting),
            (self.backbone, spec.backbone or ""),
        )
        return (
            all(wanted is None or fnmatchcase(value.lower(), wanted.lower()) for wanted, value in texts)
            and (not self.seeds or spec.seed in self.seeds)
            and (spec.full_ranking or not self.full_ranking)
            and head.created >= self.since
            and all(_has_value(spec.params, name, text) for name, text in self.params.items())
        )


@dataclass(frozen=True)
class RunList:
    """Listed runs, in order."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    """The metrics that would be shown if there were fewer runs."""

    def to_text(self) -> str:
        """Return a table; numbers are aligned at their right."""
        cells = [[_cell(row[name], name) for name in self.columns] for row in self.rows]
        columns = list(zip(self.columns, *cells, strict=True))
        widths = [max(map(len, column)) for column in columns]
        rights = [all(isinstance(row[name], int | float | None) for row in self.rows) for name in self.columns]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, rights, strict=True)
            ).rstrip()
            for line in zip(*columns, strict=True)
        ]
        return "\n".join(lines)


def list_runs(
    store: RunStore,
    wanted: RunFilter,
    columns: Sequence[str] = (),
    sort: str = "created",
    reverse: bool = False,
    limit: int | None = None,
) -> RunList:
    """List the runs that a filter accepts.

    Args:
        store: The store of runs.
        wanted: Which runs.
        columns: Names in :data:`FACTS`, metrics, or parameters of the methods; empty for the usual ones.
        sort: The column to sort by: metrics, times and numbers of queries descending, others ascending.
        reverse: Sort in the opposite order.
        limit: Only this many runs, after sorting.

    Raises:
        BenchError: an unknown column.
    """
    heads = [head for head in store.heads() if wanted.accepts(head)]
    asked = [_checked_column(name, heads) for name in columns]
    key = _checked_column(sort, heads)
    values = _column(store, heads, key)
    is_descending = (key in LARGEST_FIRST or _is_metric(key)) != reverse
    # equal values are ordered by name; runs without the value come last
    order = sorted(range(len(heads)), key=lambda at: (heads[at].token, heads[at].id))
    order.sort(key=lambda at: _sortable(values[at]), reverse=is_descending)
    order = [at for at in order if values[at] is not None] + [at for at in order if values[at] is None]
    chosen = [heads[at] for at in order[:limit]]
    shows_metrics = len(chosen) <= MOST_WITH_METRICS
    shown = tuple(asked) or _usual(key, shows_metrics)
    known = {key: [values[at] for at in order[:limit]]}
    filled = {name: known[name] if name in known else _column(store, chosen, name) for name in shown}
    rows = tuple({name: filled[name][at] for name in shown} for at in range(len(chosen)))
    return RunList(shown, rows, () if asked or shows_metrics else USUAL_METRICS)


def _usual(sort: str, shows_metrics: bool) -> tuple[str, ...]:
    metrics = USUAL_METRICS if shows_metrics else ()
    return tuple(dict.fromkeys((*USUAL_COLUMNS, *metrics, sort, "created")))


def _column(store: RunStore, heads: Sequence[RunHead], name: str) -> list[Any]:
    """Return a column's value for each run; None where it has none."""
    if name in FACTS:
        return [FACTS[name](head) for head in heads]
    if _is_metric(name):
        return [_metric(store, head, name) for head in heads]
    return [_param(head.spec.params, name) for head in heads]


def _metric(store: RunStore, head: RunHead, name: str) -> float | None:
    """Compute a metric from the ranks of a run; None with a warning if they are not those of the record."""
    from bench.metrics import Metric, per_user

    try:
        record = store.load(head.id)
        if record.catalogue is not None and name == "auc":  # its negatives differ by user, so ranks do not tell it
            return record.catalogue.get("auc")
        ranks = store.queries_of(record).ranks
    except BenchError as error:
        warnings.warn(f"Run {head.id} is listed without metrics. {error}", BenchWarning, stacklevel=2)
        return None
    return float(rounded(float(per_user(ranks, Metric.parse(name), record.n_candidates).mean())))


def _checked_column(name: str, heads: Sequence[RunHead]) -> str:
    """Return a column's name in full; raise BenchError if no listed run has it."""
    if name.lower() in FACTS:
        return name.lower()
    if _is_metric(name):
        return checked_metrics([name])[0]
    params = {param for head in heads for param in head.spec.params}
    if name in params or aliased(name, params):
        return name
    if not heads:  # no method, and so no parameter, is known
        return name
    hint = did_you_mean(name, [*FACTS, *USUAL_METRICS, *params])
    raise BenchError(
        f"Unknown column '{name}'; expected {', '.join(FACTS)}, a metric such as ndcg@3, or a parameter of a listed "
        f"method.{hint}"
    )


def _is_metric(name: str) -> bool:
    return "@" in name or name.lower() == "auc"


def _param(params: Mapping[str, Any], name: str) -> Any:
    """Return a parameter by its name or an alias of it; None if a method does not have it."""
    meant = aliased(name, params) or [name]
    return params.get(meant[0]) if len(meant) == 1 else None


def _has_value(params: Mapping[str, Any], name: str, text: str) -> bool:
    value = _param(params, name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text) == value
        except ValueError:
            return False
    given = "" if value is None else " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return given.lower() == " ".join(text.strip("[]").replace(",", " ").split()).lower() or (
        value is None and name in params and text.lower() == "none"
    )


def _sortable(value: Any) -> tuple[int, Any]:
    """Return a value that can be compared with those of other runs: numbers first, then texts."""
    if value is None or not isinstance(value, int | float):
        return 1, "" if value is None else str(value)
    return 0, value


def _cell(value: Any, column: str) -> str:
    if value is None:
        return "–"
    if _is_metric(column):
        return f"{value:.4f}"
    return shown_time(value) if column == "created" else str(value)
