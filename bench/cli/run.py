"""``bench run``: one method on one dataset."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    progress_on_stderr,
    require_data_dir,
    results_dir_option,
    run_request_options,
)

if TYPE_CHECKING:
    from bench.runs.request import RunRequest
    from bench.runs.tasks import Tasks

EXAMPLES = """\b
Examples:
  bench run --method reccocktail --dataset ml-100k-drama --setting cold
  bench run --method sasrec --dataset beauty -p dropout=0.3 --seed 1 --json
  bench run --method tallrec --dataset ml-100k-drama --backbone tiny --scoring generate
  bench run --method bpr --dataset ml-100k-drama --full-ranking
"""


@click.command(epilog=EXAMPLES)
@run_request_options()
@click.option("--device", default="auto", show_default=True, help="Torch device; auto uses a GPU if available.")
@click.option("--track", help="Send the finished run to a tracker: tensorboard, mlflow or wandb.")
@click.option("--force", is_flag=True, help="Train and score again even if the run is stored.")
@click.option("--rescore", is_flag=True, help="Score again with the trained model even if the run is stored.")
@data_dir_option
@cache_dir_option
@results_dir_option
@json_option
def run(
    request: RunRequest,
    device: str,
    track: str | None,
    force: bool,
    rescore: bool,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    as_json: bool,
) -> None:
    """Train a method (or load its cached model), score the fixed candidates, then save and print the results.

    With --full-ranking each positive is ranked among all items the user has not interacted with. Both modes reuse the
    same trained model; their scores are not comparable.

    Completed runs are reused as long as their data, backbone and code have not changed; use --force to run again.
    A run's id is a hash of everything that defines it.
    """
    from bench.api.runs import carried_out
    from bench.files.folders import Folders
    from bench.report.run_summary import summary
    from bench.report.trackers.tracked import require_tracker
    from bench.runs.environment import chosen_device
    from bench.runs.tasks import Tasks

    require_data_dir(data_dir)
    if track:
        require_tracker(track)  # before the estimate, which may read data
    folders = Folders(cache_dir, results_dir, data_dir)
    tasks = Tasks(folders, progress_on_stderr, chosen_device(device))  # what it reads for the estimate serves the run
    if not (force or rescore):
        _announce(request, tasks)
    record = carried_out(
        request, folders, progress_on_stderr, device, force=force, rescore=rescore, tasks=tasks, track=track
    )
    click.echo(json.dumps(record.to_json(), indent=2) if as_json else summary(record))


def _announce(request: RunRequest, tasks: Tasks) -> None:
    """Report how long the run is expected to take if that is over a minute."""
    from bench.registry import registry
    from bench.runs.complete import complete
    from bench.runs.earlier_runs import announced
    from bench.runs.plan import plan_of
    from bench.runs.store import RunStore

    spec = complete(request)
    if not RunStore(tasks.folders.results_dir).exists(spec.hash()):
        registry().entry(spec.method).require_installed()  # before any data is read
    with redirect_stdout(sys.stderr):  # some libraries print
        plan = plan_of([spec], tasks.folders, progress_on_stderr, tasks=tasks)
        announced(plan, tasks, tasks.device)
