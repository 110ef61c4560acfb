"""``bench import-runs``: store the runs of an archive."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.cli.options import json_option, results_dir_option
from bench.cli.paths import InputPath

EXAMPLES = """\b
Examples:
  bench import-runs results.zip
  bench import-runs results.zip --results-dir theirs --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("archive", type=InputPath())
@click.option("--skip-conflicts", is_flag=True, help="Keep stored runs that differ, and import the others.")
@results_dir_option
@json_option
def import_runs(archive: Path, skip_conflicts: bool, results_dir: Path, as_json: bool) -> None:
    """Verify the runs of an ARCHIVE written by 'bench export', and store them.

    Hashes, ids and metrics are recomputed. Nothing is stored if a run is invalid, or if a stored run of the same id
    has other ranks or was made from other data or code.
    """
    from bench.runs.sharing.run_archives import import_runs as imported
    from bench.runs.store import RunStore

    found = imported(archive, RunStore(results_dir), skip_conflicts=skip_conflicts)
    states = {"imported": found.new, "stored already": found.same, "kept, because it differs": found.conflicts}
    if as_json:
        rows = [{"id": one.id, "run": one.token, "state": state} for state, runs in states.items() for one in runs]
        click.echo(json.dumps(rows, indent=2))
        return
    for state, runs in states.items():
        for record in runs:
            click.echo(f"{record.token} ({record.id}): {state}")
