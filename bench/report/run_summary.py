"""Summarize a finished run for a terminal or a notebook."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import TYPE_CHECKING

from tabulate import tabulate

from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from bench.runs.record import RunRecord

SHOWN_METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "mrr@5")
SHOWN_FULL_METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "hit@10", "hit@50", "mrr@10")


def summary(record: RunRecord) -> str:
    """Return a short table with confidence intervals, notes and warnings."""
    return "\n".join([_title(record), _grid(record, "simple"), *_below(record)])


def summary_html(record: RunRecord) -> str:
    """Return the same as an HTML fragment."""
    below = "<br>".join(map(escape, _below(record)))
    return f"<p>{escape(_title(record))}</p>\n{_grid(record, 'html')}\n<p>{below}</p>\n"


def _title(record: RunRecord) -> str:
    protocol = record.spec.protocol
    backbone = f" on {record.backbone['name']}" if record.backbone else ""
    said_already = dataclasses.replace(record.spec, backbone=None, limit_queries=None)
    marks = RunRequest.of(said_already, {}).words()
    marks += [mark for mark, is_set in (("TOY backbone", record.toy), ("transductive", record.transductive)) if is_set]
    start = f"{record.spec.method}{backbone} · {protocol.dataset} {protocol.setting} · {record.n_queries:,} queries"
    return start + "".join(f" · {mark}" for mark in marks)


def _grid(record: RunRecord, table_format: str) -> str:
    shown = SHOWN_METRICS if record.catalogue is None else SHOWN_FULL_METRICS
    rows = [
        [name, "{value:.4f}".format(**record.metrics[name]), "[{low:.4f}, {high:.4f}]".format(**record.metrics[name])]
        for name in shown
        if name in record.metrics
    ]
    headers = ["metric", "value", "95% CI"]
    return tabulate(rows, headers, tablefmt=table_format, disable_numparse=True)


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
