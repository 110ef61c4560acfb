"""``bench run``: one method on one dataset, or several methods, seeds and values of hyperparameters."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.completion import complete_methods
from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    require_data_dir,
    results_dir_option,
    run_request_options,
)
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.errors import BenchError
from bench.progress import Phase, Phases, tell

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.progress import Progress
    from bench.runs.record import RunRecord
    from bench.runs.request import RunRequest
    from bench.runs.tasks import Tasks

EXAMPLES = """\b
Examples:
  bench run --method reccocktail --dataset ml-100k-drama --setting cold
  bench run --method sasrec --dataset beauty -p dropout=0.3 --seed 1 --json
  bench run --method tallrec --dataset ml-100k-drama --backbone tiny --scoring generate
  bench run --method bpr --dataset ml-100k-drama --full-ranking
  bench run --methods bpr,sasrec --dataset ml-100k-drama --seeds 0,1,2 -p lr=1e-3,3e-4
"""


@click.command(epilog=EXAMPLES)
@run_request_options(instead_of="--methods", optional=("method",))
@click.option(
    "--methods", shell_complete=complete_methods, help="Several methods, comma-separated, each of which is run."
)
@click.option("--seeds", help="Several seeds of training, comma-separated, with each of which the methods are run.")
@click.option("--device", default="auto", show_default=True, help="Torch device; auto uses a GPU if available.")
@click.option("--track", help="Send the finished run to a tracker: tensorboard, mlflow or wandb.")
@click.option("--force", is_flag=True, help="Train and score again even if the run is stored.")
@click.option("--rescore", is_flag=True, help="Score again with the trained model even if the run is stored.")
@data_dir_option
@cache_dir_option
@results_dir_option
@progress_options
@json_option
def run(
    request: RunRequest,
    methods: str | None,
    seeds: str | None,
    device: str,
    track: str | None,
    force: bool,
    rescore: bool,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    choice: ProgressChoice,
    as_json: bool,
) -> None:
    r"""Train a method (or load its cached model), score the fixed candidates, then save and print the results.

    With --full-ranking each positive is ranked among all items the user has not interacted with. Both modes reuse the
    same trained model; their scores are not comparable.

    With --methods, --seeds, or several comma-separated values of a hyperparameter (-p lr=1e-3,3e-4), all combinations
    are run, and one table shows them. Brackets keep a list together (-p 'layers=[64,32],[128]'), and a backslash keeps
    a comma (-p 'name=a\,b'). A run that fails does not stop the others.

    Completed runs are reused as long as their data, backbone and code have not changed; use --force to run again.
    A run's id is a hash of everything that defines it.
    """
    from bench.cli.sweep import run_sweep
    from bench.files.folders import Folders
    from bench.learning.team import n_launched
    from bench.report.trackers.tracked import require_tracker
    from bench.runs.environment import chosen_device
    from bench.runs.sweep import sweep_requests

    require_data_dir(data_dir)
    if track:
        require_tracker(track)  # before the estimate, which may read data
    folders = Folders(cache_dir, results_dir, data_dir)
    requests = sweep_requests(request, methods, seeds)
    if requests is None:
        _check_names(request, data_dir)
    if n_launched() > 1:
        if requests is not None:
            raise BenchError("Several processes train one run together: give one method, one seed and single values.")
        _with_others(request, folders, chosen_device(device), choice, force, rescore, track, as_json)
        return
    if requests is not None:
        run_sweep(requests, folders, choice, device, force=force, rescore=rescore, track=track, as_json=as_json)
        return
    _alone(request, folders, device, choice, force, rescore, track, as_json)


def _check_names(request: RunRequest, data_dir: Path | None) -> None:
    """Raise BenchError for an unknown method or dataset, before torch is imported, which takes seconds."""
    from bench.data.prepare import card_of
    from bench.registry import registry

    registry().entry(request.method)
    for name in (request.dataset, *(request.sources or ())):
        card_of(name, data_dir)


def _alone(
    request: RunRequest,
    folders: Folders,
    device: str,
    choice: ProgressChoice,
    force: bool,
    rescore: bool,
    track: str | None,
    as_json: bool,
) -> None:
    with choice.shown() as progress:
        record = _carried_out(request, folders, device, progress, force, rescore, track)
        text = json.dumps(record.to_json(), indent=2) if as_json else _summary(record, folders)
    click.echo(text)


def _with_others(request: RunRequest, folders: Folders, device: str, *words: Any) -> None:
    """Carry out the run if this is the first of the launched processes; if not, only train along, and say nothing."""
    from bench.learning.team import connected
    from bench.runs.complete import complete
    from bench.runs.engine import fit_along
    from bench.runs.tasks import Tasks

    with connected(device) as team:
        if team.is_first:
            _alone(request, folders, device, *words)
        else:
            fit_along(complete(request, folders.data_dir), Tasks(folders, lambda _line: None, device))


def _carried_out(
    request: RunRequest,
    folders: Folders,
    device: str,
    progress: Progress,
    force: bool,
    rescore: bool,
    track: str | None,
) -> RunRecord:
    """Return the record of the run, which is estimated first unless it is repeated."""
    from bench.api.runs import carried_out
    from bench.runs.environment import chosen_device
    from bench.runs.tasks import Tasks

    tasks = Tasks(folders, progress, chosen_device(device))  # what it reads for the estimate serves the run
    if not (force or rescore):
        _announce(request, tasks)
    return carried_out(request, folders, progress, device, force=force, rescore=rescore, tasks=tasks, track=track)


def _summary(record: RunRecord, folders: Folders) -> str:
    """Return the result beside what it has to be compared with."""
    from bench.report.run_summary import summary
    from bench.runs.store import RunStore

    return summary(record, RunStore(folders.results_dir))


def _announce(request: RunRequest, tasks: Tasks) -> None:
    """Report how long the run is expected to take if that is over a minute."""
    from bench.registry import registry
    from bench.runs.complete import complete
    from bench.runs.earlier_runs import announced
    from bench.runs.plan import plan_of
    from bench.runs.progress.phases import PREPARE, SCORE, expected_of_job
    from bench.runs.store import RunStore

    spec = complete(request, tasks.folders.data_dir)
    tell(tasks.progress, Phases((PREPARE, SCORE)))
    if not RunStore(tasks.folders.results_dir).exists(spec.hash()):
        registry().entry(spec.method).require_installed()  # before any data is read
    tell(tasks.progress, Phase(PREPARE))
    with redirect_stdout(sys.stderr):  # some libraries print
        plan = plan_of([spec], tasks.folders, tasks.progress, tasks=tasks)
        estimate = announced(plan, tasks, tasks.device)
        tell(tasks.progress, expected_of_job(plan, spec.hash(), estimate))
