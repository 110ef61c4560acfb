"""Summarize a finished run for a terminal or a notebook."""

from __future__ import annotations

import dataclasses
import shlex
from html import escape
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from bench.data.card import has_card
from bench.learning.convergence import IN_WORDS
from bench.plugin import AdapterReport
from bench.registry import registry
from bench.report.run_context import REFERENCE, chance_of, context_of
from bench.report.tables.layout import known_entry
from bench.runs.record import describe_variant
from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from bench.plugin import TrainingReport
    from bench.report.run_context import RunContext
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

WITHOUT_TITLES = "popularity"
"""What a run on data without titles is compared with; all datasets that have a card have titles."""
SHOWN_METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "mrr@5")
CHOICES = ("chosen_source", "chosen_sources")
"""Entries of a fit's report that say what the method chose."""
SHOWN_FULL_METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "hit@10", "hit@50", "mrr@10")


def summary(record: RunRecord, store: RunStore) -> str:
    """Return the results of a run, where it is stored, and what to type next."""
    context = context_of(record, store)
    return "\n".join([*_results(record, context), *_next(record, context, store)])


def results(record: RunRecord, store: RunStore) -> str:
    """Return a short table beside chance, ``text-knn`` and the best other run in the store or shipped, and notes.

    Below it is what the method chose.
    """
    return "\n".join(_results(record, context_of(record, store)))


def summary_html(record: RunRecord, store: RunStore) -> str:
    """Return table, choices and notes as an HTML fragment."""
    context = context_of(record, store)
    below = "<br>".join(map(escape, [*_compared(context), *_chosen(record), *_below(record)]))
    return f"<p>{escape(_title(record))}</p>\n{_grid(record, context, 'html')}\n<p>{below}</p>\n"


def _results(record: RunRecord, context: RunContext) -> list[str]:
    above = [_title(record), _grid(record, context, "simple")]
    return [*above, *_compared(context), *_chosen(record), *_below(record)]


def _title(record: RunRecord) -> str:
    protocol = record.spec.protocol
    backbone = f" on {record.backbone['name']}" if record.backbone else ""
    said_already = dataclasses.replace(record.spec, backbone=None, limit_queries=None)
    marks = RunRequest.of(said_already, {}).words()
    marks += [mark for mark, is_set in (("TOY backbone", record.toy), ("transductive", record.transductive)) if is_set]
    start = f"{record.spec.method}{backbone} · {protocol.dataset} {protocol.setting} · {record.n_queries:,} queries"
    return start + "".join(f" · {mark}" for mark in marks)


def _grid(record: RunRecord, context: RunContext, table_format: str) -> str:
    shown = SHOWN_METRICS if record.catalogue is None else SHOWN_FULL_METRICS
    others = [other for other in (context.reference, context.best) if other is not None]
    rows = [
        [
            name,
            "{value:.4f}".format(**record.metrics[name]),
            "[{low:.4f}, {high:.4f}]".format(**record.metrics[name]),
            f"{chance_of(record, name):.4f}",
            *("{value:.4f}".format(**other.metrics[name]) if name in other.metrics else "" for other in others),
        ]
        for name in shown
        if name in record.metrics
    ]
    headers = ["metric", "value", "95% CI", "chance", *(other.spec.method for other in others)]
    return tabulate(rows, headers, tablefmt=table_format, disable_numparse=True)


def _compared(context: RunContext) -> list[str]:
    """Return which runs are in the columns on the right."""
    named = (("", context.reference), ("best other: ", context.best))
    return [
        f"{start}{other.spec.method}: {_variant(other)}run {other.id}"
        + (", shipped with bench" if context.is_shipped(other) else "")
        for start, other in named
        if other is not None
    ]


def _variant(record: RunRecord) -> str:
    words = describe_variant(record)
    return f"{words}, " if words else ""


def _chosen(record: RunRecord) -> list[str]:
    """Return what the method chose: merge weights, sources, and the epoch whose weights were kept."""
    fit = record.fit
    lines = []
    if fit.merge is not None:
        weights = ", ".join(f"{role} {weight:.2f}" for role, weight in fit.merge.weights.items())
        lines.append(f"merge weights: {weights}")
    lines += [f"{name.replace('_', ' ')}: {_listed(fit.extra[name])}" for name in fit.extra if name in CHOICES]
    trainings = {**{f"adapter {role}": report for role, report in fit.adapters.items()}, "training": fit.training}
    return lines + [f"{name}: {_course(report)}" for name, report in trainings.items() if report and report.trained]


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _course(report: TrainingReport | AdapterReport) -> str:
    """Return how long something was trained, and which state was kept."""
    epochs = f"{report.epochs:g} epochs" if report.epochs is not None else f"{report.seconds:.0f} s"
    if isinstance(report, AdapterReport):
        checked = report.best_check is not None and bool(report.epoch_of_check)
        best = report.epoch_of_check[report.best_check or 0] if checked else None
    else:
        best = report.best_epoch
    kept = f", best after {best:g}" if best is not None else ""
    return f"{epochs}{kept} ({IN_WORDS[report.ended]})"


def _next(record: RunRecord, context: RunContext, store: RunStore) -> list[str]:
    """Return where the run is stored, and a command that tells more about it."""
    place = shlex.quote(str(store.path(record.id)))
    lines = [f"stored in {place}"] if store.path(record.id).exists() else []
    rival = next((one for one in (context.best, context.reference) if one and not context.is_shipped(one)), None)
    if rival is not None:
        return [*lines, f"next: bench compare {record.id} {rival.id}"]
    method = _reference_of(record)
    if context.reference is None and record.spec.method != method:
        return [*lines, f"next: {_request_of(method, record).command()}"]
    return [*lines, "next: bench report"]


def _reference_of(record: RunRecord) -> str:
    """Return the untrained method to compare a run with: ``text-knn`` unless the dataset may be without titles."""
    entry = known_entry(registry(), record.spec.method)
    has_titles = has_card(record.spec.protocol.dataset) or (entry is not None and entry.needs_titles)
    return REFERENCE if has_titles else WITHOUT_TITLES


def _request_of(method: str, record: RunRecord) -> RunRequest:
    """Return the request of a method on the same queries."""
    spec, protocol = record.spec, record.spec.protocol
    return RunRequest(
        method,
        protocol.dataset,
        protocol.setting,
        protocol.policy,
        protocol.seed,
        limit_queries=spec.limit_queries,
        full_ranking=spec.full_ranking,
    )


def _below(record: RunRecord) -> list[str]:
    return [
        *_catalogue_line(record),
        f"ties {record.tie_rate:.2%} · candidates {record.candidates_hash} · run {record.id} · "
        + (", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in record.seconds.items()) or "not timed"),
        *(f"note: {note}" for note in record.notes),
        *(f"warning: {warning}" for warning in record.warnings),
    ]


def _catalogue_line(record: RunRecord) -> list[str]:
    """Return the results of full ranking other than metrics; empty for candidate lists."""
    facts = record.catalogue
    if facts is None:
        return []
    return [
        f"full catalogue: {facts['n_items']:,} items, {facts['mean_candidates']:,.1f} candidates per query on average "
        f"(items the user has interacted with are excluded) · mean rank {facts['mean_rank']:,.1f}, "
        f"median {facts['median_rank']:,.1f} · AUC {facts['auc']:.4f} · "
        f"{facts['queries_with_twin']:,} queries in which another item has the positive's title"
    ]
