"""``bench show``: one stored run in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.completion import complete_runs
from bench.cli.options import json_option, results_dir_option
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

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
    only one run begins so, a method or method@dataset is enough. The metrics are computed from the stored ranks.
    """
    from bench.report.run_description import describe_run
    from bench.runs.store import RunStore
    from bench.runs.superseded import n_superseded

    store = RunStore(results_dir)
    record = store.derived(_found(run, store))
    if as_json:
        click.echo(json.dumps(record.to_json(), indent=2))
    else:
        click.echo(describe_run(record, store, n_superseded(store, record.id)))


def _found(name: str, store: RunStore) -> RunRecord:
    """Return the run with a name, or the only one of a method or method@dataset; raise BenchError for several."""
    from bench.runs.find import choices_of

    start = name.lower().split("@")
    # longer names are those of single runs, such as bpr@beauty@warm beside bpr@beauty@warm@full
    heads = store.heads() if len(start) <= len(("method", "dataset")) else []
    found = [head for head in heads if head.token.lower().split("@")[: len(start)] == start]
    if len(found) > 1:
        raise BenchError(
            f"'{name}' matches {len(found):,} runs: give the prefix of one id. See 'bench list runs'.",
            choices=choices_of(found),
        )
    return store.load(found[0].id) if found else store.find(name)
