"""``bench list runs``: stored runs, with filters, order and columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.completion import complete_datasets, complete_methods, complete_params
from bench.cli.options import NearChoice, comma_separated, json_option, results_dir_option
from bench.errors import BenchError
from bench.runs.params import parse_assignments
from bench.spec import SETTINGS, Setting

if TYPE_CHECKING:
    import datetime

EXAMPLES = """\b
Examples:
  bench list runs --method sasrec --dataset beauty
  bench list runs --dataset 'ml-*' --sort ndcg@3 --limit 10
  bench list runs -p lr=0.001 --columns id,method,lr,ndcg@3 --json
  bench list runs --results-dir results/measured --setting cold --ids
"""


@click.command(epilog=EXAMPLES)
@click.option("--method", shell_complete=complete_methods, help="Only runs of this method; '*' stands for any text.")
@click.option("--dataset", shell_complete=complete_datasets, help="Only runs on this dataset; '*' stands for any text.")
@click.option("--setting", type=NearChoice(SETTINGS), help="Only runs in this setting.")
@click.option("--backbone", help="Only runs with this language model; '*' stands for any text.")
@click.option("--seed", "seeds", type=int, multiple=True, help="Only runs with this seed; repeatable.")
@click.option(
    "-p",
    "params",
    multiple=True,
    shell_complete=complete_params,
    metavar="KEY=VALUE",
    callback=lambda _, __, words: parse_assignments(words),
    help="Only runs with this value of a hyperparameter, given or by default; repeatable.",
)
@click.option("--full-ranking", is_flag=True, help="Only runs that ranked the full catalogue.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="Only runs stored since this time (UTC)."
)
@click.option(
    "--sort",
    default="created",
    show_default=True,
    help="Column to sort by. Metrics, 'created' and 'queries' are sorted in descending order.",
)
@click.option("--reverse", is_flag=True, help="Sort in the opposite order.")
@click.option("--limit", type=click.IntRange(min=1), help="List only this many runs, after sorting.")
@click.option(
    "--columns",
    help="Columns, comma-separated: id, run, method, dataset, setting, seed, variant, backbone, family, queries, "
    "device, created, metrics such as ndcg@3, and hyperparameters.",
)
@click.option("--ids", is_flag=True, help="Print only the ids, one per line, for other commands.")
@results_dir_option
@json_option
def runs(
    method: str | None,
    dataset: str | None,
    setting: Setting | None,
    backbone: str | None,
    seeds: tuple[int, ...],
    params: Mapping[str, str],
    full_ranking: bool,
    since: datetime.datetime | None,
    sort: str,
    reverse: bool,
    limit: int | None,
    columns: str | None,
    ids: bool,
    results_dir: Path,
    as_json: bool,
) -> None:
    """List stored runs, the newest first.

    Metrics are computed from the stored ranks. They are left out if more than 100 runs are listed, unless --columns or
    --sort names them.
    """
    from bench.report.run_list import RunFilter, list_runs
    from bench.runs.store import RunStore

    if ids and (columns or as_json):
        raise BenchError("--ids prints only the ids: give it, or --columns and --json.")
    store = RunStore(results_dir)
    earliest = "" if since is None else since.isoformat()
    wanted = RunFilter(method, dataset, setting, backbone, seeds, params, full_ranking, earliest)
    shown = ("id",) if ids else comma_separated(columns or "")
    listed = list_runs(store, wanted, shown, sort, reverse, limit)
    if as_json:
        click.echo(json.dumps(listed.rows, indent=2))
    elif ids:
        click.echo("".join(f"{row['id']}\n" for row in listed.rows), nl=False)
    elif listed.rows:
        click.echo(listed.to_text())
    else:
        click.echo(f"No runs in {results_dir} match.", err=True)
    if listed.left_out and not ids:
        metrics = ",".join(listed.left_out)
        click.echo(
            f"{len(listed.rows):,} runs are listed without metrics, which are computed from the ranks of each run: add "
            f"--limit, a filter, or --columns id,run,{metrics}.",
            err=True,
        )
