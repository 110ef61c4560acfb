"""``bench run``: one method on one dataset."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import (
    cache_dir_option,
    comma_separated,
    data_dir_option,
    json_option,
    progress_on_stderr,
    protocol_options,
    recommender_options,
    results_dir_option,
)

if TYPE_CHECKING:
    from bench.runs.engine import Again
    from bench.runs.record import RunRecord

SHOWN_METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "mrr@5")
SHOWN_FULL_METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "hit@10", "hit@50", "mrr@10")
EXAMPLES = """\b
Examples:
  bench run --method reccocktail --dataset ml-100k-drama --setting cold
  bench run --method sasrec --dataset beauty -p dropout=0.3 --seed 1 --json
  bench run --method tallrec --dataset ml-100k-drama --backbone tiny --ranking generate
  bench run --method bpr --dataset ml-100k-drama --full-ranking
"""


@click.command(epilog=EXAMPLES)
@click.option("--method", required=True, help="A name from 'bench list methods', or recbole:<Class>.")
@click.option("--dataset", required=True, help="A name from 'bench list datasets', or your own folder's.")
@protocol_options
@recommender_options
@click.option("--limit-queries", type=click.IntRange(min=1), help="Score a seeded sample of the test queries.")
@click.option(
    "--full-ranking", is_flag=True, help="Rank each positive among the whole catalogue, not in its frozen list of 30."
)
@click.option("--device", default="auto", show_default=True, help="Torch device; auto takes a GPU where there is one.")
@click.option("--force", is_flag=True, help="Train and score again although the run is stored.")
@click.option("--rescore", is_flag=True, help="Score again with the trained model although the run is stored.")
@data_dir_option
@cache_dir_option
@results_dir_option
@json_option
def run(
    method: str,
    dataset: str,
    setting: Any,
    policy: Any,
    protocol_seed: int,
    backbone: str | None,
    sources: str,
    ranking: Any,
    engine: Any,
    seed: int,
    params: tuple[str, ...],
    limit_queries: int | None,
    train_share: float,
    train_users: int | None,
    train_subset: int,
    limit_validation: int | None,
    full_ranking: bool,
    device: str,
    force: bool,
    rescore: bool,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    as_json: bool,
) -> None:
    """Train one method (or find its model), score the frozen candidates, store and print the result.

    With --full-ranking each positive is ranked among all items but those that its user touched. Both kinds of run
    share one trained model, and are never compared as if they were one.

    A stored run is used again while its data, its backbone and its code are what they were.
    """
    from bench.files.folders import Folders
    from bench.runs.complete import complete_spec
    from bench.runs.engine import run as run_spec
    from bench.runs.environment import chosen_device
    from bench.runs.params import parse_assignments
    from bench.spec import ProtocolSpec

    spec = complete_spec(
        method,
        ProtocolSpec(dataset, setting, policy, protocol_seed),
        params=parse_assignments(params),
        seed=seed,
        sources=comma_separated(sources),
        backbone=backbone,
        ranking=ranking,
        engine=engine,
        limit_queries=limit_queries,
        train_share=train_share,
        train_users=train_users,
        train_subset=train_subset,
        full_ranking=full_ranking,
        limit_validation=limit_validation,
    )
    folders = Folders(cache_dir, results_dir, data_dir)
    again: Again | None = "train" if force else "score" if rescore else None
    with redirect_stdout(sys.stderr):  # some libraries print, and standard output is for the result
        record = run_spec(spec, folders, progress_on_stderr, device=chosen_device(device), again=again)
    click.echo(json.dumps(record.to_json(), indent=2) if as_json else summary(record))


def summary(record: RunRecord) -> str:
    """Return a short table with confidence intervals and what a reader must know."""
    from tabulate import tabulate

    protocol = record.spec.protocol
    shown = SHOWN_METRICS if record.catalogue is None else SHOWN_FULL_METRICS
    rows = [[name, *(f"{record.metrics[name][key]:.4f}" for key in ("value", "low", "high"))] for name in shown]
    table = tabulate(rows, headers=["metric", "value", "95 % low", "high"], disable_numparse=True)
    backbone = f" on {record.backbone['name']}" if record.backbone else ""
    share = record.spec.train_share
    facts = (
        (f"{share:.0%} of the training part", share < 1),
        (f"{record.spec.train_users} training users, subset {record.spec.train_subset}", record.spec.train_users),
        (f"{record.spec.limit_validation} validation queries", record.spec.limit_validation),
        ("TOY backbone", record.toy),
        ("transductive", record.transductive),
    )
    marks = [mark for mark, is_set in facts if is_set]
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


def _catalogue_line(record: RunRecord) -> list[str]:
    """Return what full ranking says besides its metrics; nothing for frozen lists."""
    facts = record.catalogue
    if facts is None:
        return []
    return [
        f"whole catalogue: {facts['n_items']:,} items but for what the user touched ({facts['mean_candidates']:,.1f} "
        f"left on average) · mean rank {facts['mean_rank']:,.1f}, median {facts['median_rank']:,.1f} · "
        f"AUC {facts['auc']:.4f} · another item has the positive's title in {facts['queries_with_twin']:,} queries"
    ]
