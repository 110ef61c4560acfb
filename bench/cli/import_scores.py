"""``bench import-scores``: store scores that another program computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    require_data_dir,
    results_dir_option,
    some_request_options,
)
from bench.cli.paths import DirectoryPath, InputPath
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.errors import BenchError
from bench.runs.params import parse_assignments

if TYPE_CHECKING:
    from bench.spec import ProtocolSpec

EXAMPLES = """\b
Examples:
  bench import-scores task/scores.csv --method als
  bench import-scores scores.parquet --method als --task task --seed 1 -p factors=64
  bench import-scores scores.csv --method als --dataset ml-100k-drama --candidates-hash 6369360f12682577
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=InputPath())
@click.option("--method", required=True, help="Name of the method; it is stored as external:NAME.")
@click.option(
    "--task", type=DirectoryPath(), help="Directory of the exported task (default: that of FILE if it has a task.json)."
)
@click.option("--dataset", help="The scored dataset, instead of --task.")
@some_request_options("setting", "policy", "protocol_seed", "seed")
@click.option("--candidates-hash", help="Hash of the scored candidates, if neither the task nor FILE states it.")
@click.option(
    "-p",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    callback=lambda _, __, words: parse_assignments(words),
    help="Hyperparameter of the other program, shown in tables; repeatable.",
)
@click.option("--note", default="", help="Where the scores come from; shown with the run.")
@click.option("--force", is_flag=True, help="Replace other scores that are stored under the same name.")
@data_dir_option
@cache_dir_option
@results_dir_option
@progress_options
@json_option
def import_scores(
    file: Path,
    method: str,
    task: Path | None,
    dataset: str | None,
    setting: Any,
    policy: Any,
    protocol_seed: int,
    seed: int,
    candidates_hash: str | None,
    params: dict[str, str],
    note: str,
    force: bool,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    choice: ProgressChoice,
    as_json: bool,
) -> None:
    """Check another program's scores of an exported task's test queries, rank the positives and store a run.

    FILE is CSV with the columns query and score_1 to score_30, or Parquet with the same or with query and a list column
    scores. Scores are in the order of the candidates in test.parquet; larger is better. Every query needs one row, in
    any order, and NaN is an error.

    The run is marked as external: tables test it against other runs on the same candidates, but bench cannot run it
    again.
    """
    from bench.files.folders import Folders
    from bench.report.run_summary import summary
    from bench.runs.external.importing import ExternalScores
    from bench.runs.external.importing import import_scores as imported
    from bench.runs.store import RunStore
    from bench.runs.tasks import Tasks
    from bench.spec import ProtocolSpec

    require_data_dir(data_dir)
    folders = Folders(cache_dir, results_dir, data_dir)
    if dataset:
        if task is not None:
            raise BenchError("--task already states the dataset: give --task or --dataset, not both.")
        protocol, stated = ProtocolSpec(dataset, setting, policy, protocol_seed), candidates_hash
    else:
        protocol, stated = _of_task(file, task, candidates_hash)
    given = ExternalScores(file, method, protocol, stated, seed, params, note)
    with choice.shown() as progress:
        record, is_new = imported(given, Tasks(folders, progress), force=force)
    if not is_new:
        click.echo(f"run {record.id} is stored already, with equal scores", err=True)
    click.echo(json.dumps(record.to_json(), indent=2) if as_json else summary(record, RunStore(results_dir)))


def _of_task(file: Path, task: Path | None, candidates_hash: str | None) -> tuple[ProtocolSpec, str]:
    """Return the protocol and the candidates' hash that an exported task states."""
    from bench.runs.external.task_files import FACTS, read_task

    folder = file.parent if task is None else task
    if task is None and not (folder / FACTS).exists():
        raise BenchError(
            f"It is not known which task {file} belongs to: give --task DIRECTORY, or --dataset and --candidates-hash."
        )
    _refuse_place()
    found = read_task(folder)
    if candidates_hash and candidates_hash != found.candidates_hash:
        raise BenchError(
            f"--candidates-hash is {candidates_hash}, but {folder / FACTS} states {found.candidates_hash}."
        )
    return found.protocol, found.candidates_hash


def _refuse_place() -> None:
    """Raise BenchError for an option that the task states and that would be ignored."""
    context = click.get_current_context()
    for parameter in context.command.params:
        is_given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        if is_given and parameter.name in ("setting", "policy", "protocol_seed"):
            raise BenchError(f"{parameter.opts[0]} is stated by the task: leave it out, or give --dataset as well.")
