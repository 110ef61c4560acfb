"""Several runs of one ``bench run``: planned together, carried out one after the other, and shown as one table."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from bench.cli.failures import failure_of_machine
from bench.errors import BenchError
from bench.progress import Note, tell
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from bench.cli.progress.shown import ProgressChoice
    from bench.files.folders import Folders
    from bench.runs.tasks import Tasks
    from bench.spec import RunSpec

DASH = "–"


@dataclass(frozen=True)
class _Outcome:
    """A run of the sweep."""

    request: RunRequest
    """As the user wrote it, except for the method's name."""
    record: RunRecord | None
    error: str = ""


def run_sweep(
    requests: Sequence[RunRequest],
    folders: Folders,
    choice: ProgressChoice,
    device: str,
    *,
    force: bool,
    rescore: bool,
    track: str | None,
    as_json: bool,
) -> None:
    """Carry out several runs and print a table, or a JSON list of their records.

    All requests are checked before the first one is carried out.

    Raises:
        BenchError: a request is invalid, or runs failed; the results of the others are printed and stored.
    """
    from bench.plugin import LastLoaded
    from bench.registry import registry
    from bench.runs.complete import complete
    from bench.runs.environment import chosen_device
    from bench.runs.tasks import Tasks

    specs = {}
    for request in requests:
        spec = complete(request, folders.data_dir)
        specs[spec.hash()] = replace(request, method=spec.method), spec
    for _, spec in specs.values():
        registry().entry(spec.method).require_installed()
    folders = folders.training_anew() if force else folders  # what several runs share is trained once
    with LastLoaded() as held, choice.shown() as progress:
        tasks = Tasks(folders, progress, chosen_device(device), held)
        _announce([spec for _, spec in specs.values()], tasks, is_repeated=force or rescore)
        outcomes = []
        for number, (request, spec) in enumerate(specs.values(), start=1):
            tell(progress, Note(f"[{number}/{len(specs)}] {_name(request, spec)}"))
            outcomes.append(_carried_out(request, tasks, device, force=force, rescore=rescore, track=track))
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    if as_json:
        click.echo(json.dumps([record.to_json() for record in records], indent=2))
    else:
        click.echo(as_table(outcomes))
    failed = [outcome for outcome in outcomes if outcome.record is None]
    if failed:
        lines = "\n".join(f"{' '.join(_varied(outcome.request))}: {outcome.error}" for outcome in failed)
        raise BenchError(
            f"{len(failed)} of {len(outcomes)} runs failed. The others are stored; repeat the command to try again.",
            choices=lines,
        )


def as_table(outcomes: Sequence[_Outcome]) -> str:
    """Return a row per run with what distinguishes it, its metrics and its id."""
    from tabulate import tabulate

    from bench.report.run_summary import SHOWN_FULL_METRICS, SHOWN_METRICS

    is_full = outcomes[0].request.full_ranking
    metrics = SHOWN_FULL_METRICS if is_full else SHOWN_METRICS
    params = list(dict.fromkeys(name for outcome in outcomes for name in outcome.request.params))
    names = ["method", *params, "seed"]
    rows = [[*_cells(outcome.request, params), *_results(outcome, metrics)] for outcome in outcomes]
    first = outcomes[0].request
    table = tabulate(rows, [*names, *metrics, "run"], tablefmt="simple", disable_numparse=True)
    return f"{first.dataset} {first.setting} · {len(outcomes)} runs\n{table}"


def _carried_out(
    request: RunRequest, tasks: Tasks, device: str, *, force: bool, rescore: bool, track: str | None
) -> _Outcome:
    """Carry out one run; an error ends only this run, and that of a method is printed with its traceback."""
    from bench.api.runs import carried_out

    try:
        record = carried_out(
            request,
            tasks.folders,
            tasks.progress,
            device,
            force=force,
            rescore=rescore,
            track=track,
            held=tasks.held,
            tasks=tasks,
        )
    except BenchError as error:
        return _failed(request, str(error), tasks)
    except Exception as error:
        said = failure_of_machine(error)
        if said is None:
            traceback.print_exc()
        return _failed(request, said or f"{type(error).__name__}: {error}", tasks)
    return _Outcome(request, record)


def _failed(request: RunRequest, error: str, tasks: Tasks) -> _Outcome:
    tell(tasks.progress, Note(f"failed: {error}"))
    return _Outcome(request, None, error)


def _announce(specs: list[RunSpec], tasks: Tasks, *, is_repeated: bool) -> None:
    """Report what the runs share and how long they are expected to take."""
    from bench.runs.earlier_runs import announced
    from bench.runs.plan import plan_of

    if is_repeated:
        tell(tasks.progress, Note(f"{len(specs)} runs to repeat"))
        return
    try:
        with redirect_stdout(sys.stderr):  # some libraries print
            plan = plan_of(specs, tasks.folders, tasks.progress, tasks=tasks)
            tell(tasks.progress, Note(plan.summary()))
            announced(plan, tasks, tasks.device)
    except BenchError as error:  # of one method; the others may be carried out
        tell(tasks.progress, Note(f"no plan: {error}"))


def _name(request: RunRequest, spec: RunSpec) -> str:
    return f"{' '.join(_varied(request))} on {spec.protocol.dataset} {spec.protocol.setting}"


def _varied(request: RunRequest) -> list[str]:
    return [request.method, *(f"{name}={value}" for name, value in request.params.items()), f"seed {request.seed}"]


def _cells(request: RunRequest, params: Sequence[str]) -> list[Any]:
    return [request.method, *(request.params.get(name, DASH) for name in params), request.seed]


def _results(outcome: _Outcome, metrics: Sequence[str]) -> list[str]:
    if outcome.record is None:
        return [*[DASH] * len(metrics), "failed"]
    return [*(f"{outcome.record.metrics[name]['value']:.4f}" for name in metrics), outcome.record.id]
