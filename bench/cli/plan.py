"""``bench plan``: show which adapters and runs are needed, which exist already, and what the runs share."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bench.cli.completion import complete_experiments
from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    results_dir_option,
    run_request_options,
    say_of_external,
    scale_option,
)
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.errors import BenchError
from bench.experiments.scale import DEFAULT_SCALE

if TYPE_CHECKING:
    from bench.runs.estimate import PlanEstimate
    from bench.runs.plan import AdapterJob, Job, Plan, RunJob
    from bench.runs.request import RunRequest
    from bench.spec import RunSpec

ADAPTER_STATES = {"done": "cached", "to do": "to train", "not needed": "not needed"}
RUN_STATES = {"done": "stored", "to do": "to do"}
OF_EVERY_PLAN = (
    "names",
    "scale",
    "limit_queries",
    "full_ranking",
    "data_dir",
    "cache_dir",
    "results_dir",
    "estimate",
    "workers",
    "memory",
    "device_memory",
    "as_json",
)
"""Parameters of the command that do not describe a single run."""
EXAMPLES = """\b
Examples:
  bench plan main-warm-cold baselines-warm
  bench plan reccocktail-table3 --scale smoke
  bench plan main-warm-cold --estimate --workers 2
  bench plan --method weaverec --dataset beauty --source-datasets clothing,health --json
  bench plan --memory --backbone Qwen/Qwen2-7B-Instruct --device-memory 40
"""
DECODER_OF_THE_PAPERS = "Qwen/Qwen2-7B-Instruct"


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[EXPERIMENT]...", shell_complete=complete_experiments)
@run_request_options(instead_of="EXPERIMENT")
@scale_option
@data_dir_option
@cache_dir_option
@results_dir_option
@click.option("--estimate", is_flag=True, help="Estimate time, memory and disk space from earlier runs.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Workers, for --estimate.")
@click.option("--memory", is_flag=True, help="Show only the memory that a decoder needs on one device.")
@click.option(
    "--device-memory",
    type=click.FloatRange(min=1),
    default=80,
    show_default=True,
    metavar="GB",
    help="Memory of the device, for --memory.",
)
@progress_options
@json_option
@click.pass_context
def plan(
    context: click.Context,
    names: tuple[str, ...],
    request: RunRequest,
    scale: str,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    estimate: bool,
    workers: int,
    memory: bool,
    device_memory: float,
    choice: ProgressChoice,
    as_json: bool,
) -> None:
    """Show what would be trained and run, and what exists already. Nothing is trained or run.

    EXPERIMENT is a name (see 'bench list experiments') or the path of a YAML file. Shared work is listed once.
    Datasets that have not been prepared yet are prepared first.

    With --estimate, jobs are expected to take as long as they took in earlier runs, scaled by the size of the data:
    your own runs, or the shipped ones for methods that you have not run.

    With --memory, the memory for training, merging and scoring with --backbone (default: Qwen/Qwen2-7B-Instruct) is
    computed from the sizes of the model. It needs no EXPERIMENT and no data.
    """
    if memory:
        click.echo(_memory(request, device_memory, as_json))
        return
    from bench.files.folders import Folders
    from bench.runs.complete import complete
    from bench.runs.earlier_runs import estimated
    from bench.runs.environment import chosen_device
    from bench.runs.plan import plan_of
    from bench.runs.tasks import Tasks

    if names:
        _refuse_options_of_one_run(context)
        specs = [spec for name in names for spec in _specs_of(name, scale, request)]
    elif request.method and request.dataset:
        if scale != DEFAULT_SCALE.name:
            raise BenchError("--scale applies to experiments: give experiments instead of --method and --dataset.")
        specs = [complete(request, data_dir)]
    else:
        raise BenchError("Give one or more experiments, or both --method and --dataset. See 'bench list experiments'.")
    # some libraries print, and standard output is for the plan
    with choice.shown() as progress, redirect_stdout(sys.stderr):
        folders = Folders(cache_dir, results_dir, data_dir)
        tasks = Tasks(folders, progress)
        made = plan_of(specs, folders, progress, tasks=tasks)
        expected = estimated(made, tasks, chosen_device("auto"), workers) if estimate else None
    if as_json:
        fields = made.to_json() if expected is None else {**made.to_json(), "estimate": expected.to_json()}
        click.echo(json.dumps(fields, indent=2))
    else:
        click.echo(as_text(made, expected))


def _memory(request: RunRequest, device_memory: float, as_json: bool) -> str:
    """Return the memory of the requested decoder, recipe and device as a table or as JSON."""
    from bench.lm.adapters.adapter import LoraRecipe
    from bench.lm.memory_report import PAPERS_BATCH, memory_rows, shape_of
    from bench.registry import registry
    from bench.runs.params import build_params, with_recipe

    backbone, method = request.backbone or DECODER_OF_THE_PAPERS, request.method or "tallrec"
    recommender = registry().recommender(method)
    if not issubclass(recommender.Params, LoraRecipe):
        raise BenchError(f"Method '{method}' trains no adapter, so --memory has nothing to compute; try tallrec.")
    recipe = build_params(method, recommender.Params, with_recipe(method, recommender, request.params))
    rows = memory_rows(shape_of(backbone), device_memory, recipe.batch_size or PAPERS_BATCH, recipe.rank)
    if as_json:
        return json.dumps({"backbone": backbone, "device_gigabytes": device_memory, "memory": rows}, indent=2)
    title = f"{backbone}, rank {recipe.rank}: gigabytes (10^9 bytes) on a device of {device_memory:g}, computed"
    return f"{title}\n\n{_table([{name: _cell(value) for name, value in row.items()} for row in rows])}"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def as_text(made: Plan, expected: PlanEstimate | None = None) -> str:
    """Return the totals, a table of adapters, and a table of runs that refers to adapters by number."""
    numbers = {job.id: number for number, job in enumerate(made.adapters, start=1)}
    parts = [made.summary()]
    if numbers:
        parts[0] += f"\n({made.totals()['unshared_adapters']:,} adapters if nothing were shared)"
        parts.append(_table([_adapter_row(made, job, numbers) | _time(job, expected) for job in made.adapters]))
    parts.append(_table([_run_row(made, job, numbers) | _time(job, expected) for job in made.runs]))
    if expected is not None:
        parts.append(f"estimate: {expected.summary()}")
    return "\n\n".join(parts)


def _refuse_options_of_one_run(context: click.Context) -> None:
    """Raise BenchError for an option that experiments define themselves and that would be ignored."""
    for parameter in context.command.params:
        is_given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if is_given and parameter.name not in OF_EVERY_PLAN:
            raise BenchError(
                f"{parameter.opts[0]} applies to a single run, and experiments define their own runs: leave it out, "
                "or give --method and --dataset instead of experiments. See 'bench plan --help'."
            )


def _specs_of(name: str, scale: str, request: RunRequest) -> list[RunSpec]:
    from bench.experiments.complete import complete_experiment
    from bench.registry import registry
    from bench.report.experiment_report import experiment_at

    experiment = experiment_at(name, scale, registry(), request.limit_queries, request.full_ranking)
    say_of_external(experiment)
    return [spec for _, spec in complete_experiment(experiment)]


def _time(job: Job, expected: PlanEstimate | None) -> dict[str, str]:
    """Return the column with the expected time of a job; empty if it is not estimated."""
    from bench.progress import duration

    if expected is None:
        return {}
    return {"time": duration(expected.jobs[job.id].seconds) if job.id in expected.jobs else ""}


def _adapter_row(made: Plan, job: AdapterJob, numbers: dict[str, int]) -> dict[str, Any]:
    runs = made.needed_by[job.id]
    return {
        "adapter": numbers[job.id],
        "domains": " + ".join(sorted(job.adapter.names)),
        "backbone": job.backbone,
        "seed": _listed(run.spec.seed for run in runs) if _has_seeds(made) else "",
        "setting": _listed(run.spec.protocol.setting for run in runs),
        "examples": f"≤ {job.adapter.max_examples:,}",
        "continues from": _listed(numbers[start] for start in job.needs),
        "needed by": f"{len(runs):,} run{'' if len(runs) == 1 else 's'}",
        "state": ADAPTER_STATES[made.state(job)],
    }


def _run_row(made: Plan, job: RunJob, numbers: dict[str, int]) -> dict[str, Any]:
    from bench.runs.params import overrides
    from bench.runs.tasks import recommender_of

    spec = job.spec
    return {
        "run": spec.method,
        "dataset": spec.protocol.dataset,
        "setting": spec.protocol.setting,
        "backbone": spec.backbone or "",
        "seed": spec.seed if _has_seeds(made) else "",
        "trains on": _learned(spec),
        "candidates": "full catalogue" if spec.full_ranking else "",
        "parameters": " ".join(f"{name}={value}" for name, value in overrides(recommender_of(spec).params).items()),
        "adapters": " ".join(str(numbers[adapter]) for adapter in job.needs),
        "state": RUN_STATES[made.state(job)],
    }


def _learned(spec: RunSpec) -> str:
    """Return how much of the target's training data a run uses; empty for all of it."""
    if spec.train_users is not None:
        return f"{spec.train_users:,} users, subset {spec.train_subset}"
    return "" if spec.train_share == 1 else f"{spec.train_share:.0%}"


def _has_seeds(made: Plan) -> bool:
    return any(run.spec.seed for run in made.runs)


def _listed(values: Any) -> str:
    return ", ".join(map(str, dict.fromkeys(values)))


def _table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table without the columns that are empty in all of them."""
    from tabulate import tabulate

    columns = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    kept = [[row[name] for name in columns] for row in rows]
    return tabulate(kept, headers=columns, tablefmt="plain", disable_numparse=True)
