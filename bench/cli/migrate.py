"""``bench migrate``: update stored runs to the current format."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import cache_dir_option, data_dir_option, results_dir_option
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.progress import counted

EXAMPLES = """\b
Examples:
  bench migrate
  bench migrate --pack --results-dir results/measured --data-dir ~/datasets
"""


@click.command(epilog=EXAMPLES)
@click.option("--pack", is_flag=True, help="Also pack the runs of each experiment into two files, for sharing.")
@data_dir_option
@cache_dir_option
@results_dir_option
@progress_options
def migrate(pack: bool, data_dir: Path | None, cache_dir: Path, results_dir: Path, choice: ProgressChoice) -> None:
    """Update records written by older versions of bench to the current format.

    Ids and ranks do not change. Fields missing from older records are filled in if they can be derived from the
    available data, and are marked as unknown otherwise: tables say so in a note, and 'bench run' repeats such a run.
    Older records can be read without this command.
    """
    from bench.experiments.pack import pack_store
    from bench.experiments.reader import experiment_names, load_experiment
    from bench.files.folders import Folders
    from bench.runs.migrate import migrated
    from bench.runs.record import SCHEMA_VERSION
    from bench.runs.store import RunStore
    from bench.runs.tasks import Tasks

    store = RunStore(results_dir)
    records = store.records()
    with choice.shown() as progress:
        tasks = Tasks(Folders(cache_dir, results_dir, data_dir), progress)
        steps = counted(records, progress, "reading records", len(records), "records")
        today = [migrated(record, store, tasks) for record in steps]
    n_older = sum(record.schema_version < SCHEMA_VERSION for record in records)
    if pack:
        packs = pack_store(store, today, map(load_experiment, experiment_names()))
        click.echo(f"Packed {len(today)} runs as {len(packs)} packs: {', '.join(packs)}.")
    else:
        for before, after in zip(records, today, strict=True):
            if after != before:
                store.rewrite(after)
    click.echo(f"{n_older} of {len(records)} records were written by an older version.")
