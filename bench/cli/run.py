"""``bench run``: one method on one dataset."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    progress_on_stderr,
    results_dir_option,
    run_request_options,
)
from bench.errors import BenchError
from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.runs.engine import Again
    from bench.runs.record import RunRecord

SHOWN_METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "mrr@5")
SHOWN_FULL_METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "hit@10", "hit@50", "mrr@10")
EXAMPLES = """\b
Examples:
  bench run --method reccocktail --dataset ml-100k-drama --setting cold
  bench run --method sasrec --dataset beauty -p dropout=0.3 --seed 1 --json
  bench run --method tallrec --dataset ml-100k-drama --backbone tiny --scoring generate
  bench run --method bpr --dataset ml-100k-drama --full-ranking
"""


@click.command(epilog=EXAMPLES)
@run_request_options()
@click.option("--device", default="auto", show_default=True, help="Torch device; auto uses a GPU if available.")
@click.option("--force", is_flag=True, help="Train and score again even if the run is stored.")
@click.option("--rescore", is_flag=True, help="Score again with the trained model even if the run is stored.")
@data_dir_option
@cache_dir_option
@results_dir_option
@json_option
def run(
    request: RunRequest,
    device: str,
    force: bool,
    rescore: bool,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    as_json: bool,
) -> None:
    """Train a method (or load its cached model), score the fixed candidates, then save and print the results.

    With --full-ranking each positive is ranked among all items the user has not interacted with. Both modes reuse the
    same trained model; their scores are not comparable.

    Completed runs are reused as long as their data, backbone and code have not changed; use --force to run again.
    A run's id is a hash of everything that defines it.
    """
    from bench.files.folders import Folders
    from bench.runs.complete import complete
    from bench.runs.engine import run as run_spec
    from bench.runs.environment import chosen_device

    spec = complete(request)
    folders = Folders(cache_dir, results_dir, data_dir)
    if force and rescore:
        raise BenchError("--force also scores again: give either --force or --rescore.")
    again: Again | None = "train" if force else "score" if rescore else None
    with redirect_stdout(sys.stderr):  # some libraries print, and standard output is for the result
        record = run_spec(spec, folders, progress_on_stderr, device=chosen_device(device), again=again)
    click.echo(json.dumps(record.to_json(), indent=2) if as_json else summary(record))


def summary(record: RunRecord) -> str:
    """Return a short table with confidence intervals, followed by notes and warnings."""
    from tabulate import tabulate

    protocol = record.spec.protocol
    shown = SHOWN_METRICS if record.catalogue is None else SHOWN_FULL_METRICS
    rows = [[name, "{value:.4f}".format(**record.metrics[name]), _interval(record.metrics[name])] for name in shown]
    table = tabulate(rows, headers=["metric", "value", "95% CI"], disable_numparse=True)
    backbone = f" on {record.backbone['name']}" if record.backbone else ""
    said_already = dataclasses.replace(record.spec, backbone=None, limit_queries=None)
    marks = RunRequest.of(said_already, {}).words()
    marks += [mark for mark, is_set in (("TOY backbone", record.toy), ("transductive", record.transductive)) if is_set]
    lines = [
        f"{record.spec.method}{backbone} · {protocol.dataset} {protocol.setting} · {record.n_queries:,} queries"
        + "".join(f" · {mark}" for mark in marks),
        table,
        *_catalogue_line(record),
        f"ties {record.tie_rate:.2%} · candidates {record.candidates_hash} · run {record.id} · "
        + ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in record.seconds.items()),
        *(f"note: {note}" for note in record.notes),
        *(f"warning: {warning}" for warning in record.warnings),
    ]
    return "\n".join(lines)


def _interval(metric: Mapping[str, float]) -> str:
    return f"[{metric['low']:.4f}, {metric['high']:.4f}]"


def _catalogue_line(record: RunRecord) -> list[str]:
    """Return what full ranking reports besides its metrics; nothing for candidate lists."""
    facts = record.catalogue
    if facts is None:
        return []
    return [
        f"full catalogue: {facts['n_items']:,} items, {facts['mean_candidates']:,.1f} candidates per query on average "
        f"(items the user has interacted with are excluded) · mean rank {facts['mean_rank']:,.1f}, "
        f"median {facts['median_rank']:,.1f} · AUC {facts['auc']:.4f} · "
        f"{facts['queries_with_twin']:,} queries in which another item has the positive's title"
    ]
