"""``bench show``: one stored run in words."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.cli.completion import complete_runs
from bench.cli.options import json_option, results_dir_option

EXAMPLES = """\b
Examples:
  bench show sasrec@beauty@warm
  bench show sasrec
  bench show 3f2a9c --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", metavar="RUN", shell_complete=complete_runs)
@results_dir_option
@json_option
def show(run: str, results_dir: Path, as_json: bool) -> None:
    """Show a stored run: results, parameters, training, learning curve, and the command that repeats it.

    RUN is a prefix of a run id, or a name of the form method@dataset@setting[@full][@seedN]; see 'bench list runs'. If
    only one run matches, method or method@dataset is enough. The metrics are computed from the stored ranks.
    """
    from bench.report.run_description import describe_run
    from bench.runs.store import RunStore
    from bench.runs.superseded import n_superseded

    store = RunStore(results_dir)
    record = store.derived(store.find(run))
    if as_json:
        click.echo(json.dumps(record.to_json(), indent=2))
    else:
        click.echo(describe_run(record, store, n_superseded(store, record.id)))
