"""``bench rm``: remove stored runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.completion import complete_runs
from bench.cli.options import json_option, results_dir_option
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.runs.heads import RunHead
    from bench.runs.store import RunStore

EXAMPLES = """\b
Examples:
  bench rm 3f2a9c
  bench rm sasrec@beauty@warm@seed1 bpr@beauty@warm --yes
"""


@click.command(epilog=EXAMPLES)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_runs)
@click.option("--yes", is_flag=True, help="Do not ask; required if standard input is not a terminal.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@results_dir_option
@json_option
def rm(runs: tuple[str, ...], yes: bool, dry_run: bool, results_dir: Path, as_json: bool) -> None:
    """Remove stored runs with their ranks and earlier versions.

    RUN is a prefix of a run id, or a name of the form method@dataset@setting[@full][@seedN]; see 'bench list runs'. If
    only one run matches, method or method@dataset is enough. Nothing is removed if one of the names is wrong. Trained
    models stay in the cache, so a run can be repeated quickly.
    """
    from bench.runs.store import RunStore
    from bench.runs.superseded import check_removable, remove_run

    store = RunStore(results_dir)
    found = {head.id: head for head in map(store.find_head, runs)}
    for run_id in found:
        check_removable(store, run_id)
    if not (dry_run or yes or _is_wanted(store, list(found.values()))):
        click.echo("Nothing was removed.", err=True)
        raise click.exceptions.Exit(1)
    lines = [f"{'Would remove' if dry_run else 'Removed'} {_said(store, head)}." for head in found.values()]
    for run_id in [] if dry_run else found:
        remove_run(store, run_id)
    if as_json:
        click.echo(json.dumps(list(found), indent=2))
    else:
        click.echo("\n".join(lines))


def _is_wanted(store: RunStore, found: list[RunHead]) -> bool:
    """Ask before anything is removed; raise BenchError where nobody can answer."""
    n_runs = f"{len(found)} run{'s' * (len(found) > 1)}"
    if not sys.stdin.isatty():
        raise BenchError(f"Removing {n_runs} needs --yes, because standard input is not a terminal.")
    for head in found:
        click.echo(_said(store, head), err=True)
    return click.confirm(f"Remove {n_runs}?", err=True)


def _said(store: RunStore, head: RunHead) -> str:
    from bench.runs.superseded import n_superseded

    n_earlier = n_superseded(store, head.id)
    earlier = f" with {n_earlier} earlier version{'s' * (n_earlier > 1)}" if n_earlier else ""
    return f"{head.id} ({head.token}{f', {head.variant}' if head.variant else ''}){earlier}"
