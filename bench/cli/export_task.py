"""``bench export-task``: write a task for another program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.cli.options import (
    cache_dir_option,
    comma_separated,
    data_dir_option,
    json_option,
    require_data_dir,
    some_request_options,
)
from bench.cli.paths import DirectoryPath
from bench.cli.progress.shown import ProgressChoice, progress_options

EXAMPLES = """\b
Examples:
  bench export-task ml-100k-drama task
  bench export-task beauty task-cold --setting cold --source-datasets clothing,health
"""


@click.command(epilog=EXAMPLES)
@click.argument("dataset")
@click.argument("directory", type=DirectoryPath())
@some_request_options("setting", "policy", "protocol_seed")
@click.option("--source-datasets", default="", help="Also write these datasets' training data, comma-separated.")
@data_dir_option
@cache_dir_option
@progress_options
@json_option
def export_task(
    dataset: str,
    directory: Path,
    setting: Any,
    policy: Any,
    protocol_seed: int,
    source_datasets: str,
    data_dir: Path | None,
    cache_dir: Path,
    choice: ProgressChoice,
    as_json: bool,
) -> None:
    """Write a task to a new DIRECTORY as Parquet files, so that a program in any environment can take part.

    The directory contains training interactions, titles, validation queries with answers, and test queries (histories
    and candidates in their shuffled order) without answers. task.json states the protocol and the candidates' hash.
    Give the scores of the test queries to 'bench import-scores'.
    """
    from bench.files.folders import USUAL_RESULTS, Folders
    from bench.files.store import read_json, require_new
    from bench.runs.external.task_files import FACTS, export_task
    from bench.runs.tasks import Tasks
    from bench.spec import ProtocolSpec

    require_data_dir(data_dir)
    require_new(directory)  # before data is prepared
    with choice.shown() as progress:
        tasks = Tasks(Folders(cache_dir, USUAL_RESULTS, data_dir), progress)
        prepared = tasks.prepared(ProtocolSpec(dataset, setting, policy, protocol_seed))
        sources = [tasks.source(name, prepared) for name in comma_separated(source_datasets)]
        task = export_task(prepared, directory, sources)
    if as_json:
        click.echo(json.dumps(read_json(directory / FACTS), indent=2, ensure_ascii=False))
        return
    click.echo(f"Wrote {directory}: {task.n_queries:,} test queries with {task.n_candidates} candidates each.")
    click.echo(f"candidates hash: {task.candidates_hash}")
    click.echo(f"Next: score test.parquet, then bench import-scores {directory}/scores.csv --method NAME")
