"""``bench reproduce``: execute an experiment's missing runs, then write its table and plot in every format."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.completion import complete_experiments
from bench.cli.options import (
    AliasedOption,
    NearChoice,
    cache_dir_option,
    data_dir_option,
    results_dir_option,
    say_of_external,
    scale_option,
)
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.cli.table_options import table_options
from bench.errors import BenchError
from bench.progress import Ended, Jobs, Note, tell

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.files.folders import Folders
    from bench.progress import Progress
    from bench.report.experiment_report import ExperimentReport
    from bench.report.tables.options import TableOptions
    from bench.report.tables.table import TableFormat
    from bench.runs.estimate import PlanEstimate
    from bench.runs.executors.choice import ExecutorChoice, ExecutorName
    from bench.runs.executors.walk import Executor
    from bench.runs.plan import Plan

EXECUTORS = ("processes", "ray", "slurm")
SUFFIXES: dict[TableFormat, str] = {"latex": "tex", "markdown": "md", "csv": "csv", "json": "json"}
EXAMPLES = """\b
Examples:
  bench reproduce demo
  bench reproduce reccocktail-figure4 --scale smoke
  bench reproduce main-warm-cold --limit 1000
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_experiments)
@scale_option
@click.option(
    "--limit",
    "limit_queries",
    cls=AliasedOption,
    aliases=("--limit-queries",),
    type=click.IntRange(min=1),
    help="Score a random sample of this many test queries in each run.",
)
@click.option("--full-ranking", is_flag=True, help="Also rank the full catalogue, with each method that supports it.")
@table_options
@click.option("--dry-run", is_flag=True, help="Only print the commands of the missing runs.")
@click.option("--device", default="auto", show_default=True, help="Torch device; auto uses a GPU if available.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of jobs at a time.")
@click.option(
    "--executor",
    type=NearChoice(EXECUTORS),
    default="processes",
    show_default=True,
    help="Where the jobs run: processes on this machine, a Ray cluster or Slurm. All share cache and results.",
)
@click.option("--job-cpus", type=click.IntRange(min=1), help="Cores per job (default: an equal share of this machine).")
@click.option("--job-gpus", type=click.IntRange(min=0), help="GPUs per job (default: one if available).")
@click.option(
    "--job-memory", type=click.IntRange(min=1), default=8, show_default=True, help="Memory per job in GB, for Slurm."
)
@click.option("--ray-address", help="Address of a Ray cluster (default: start one on this machine).")
@click.option("--slurm-partition", help="Slurm partition (default: Slurm's default).")
@data_dir_option
@cache_dir_option
@results_dir_option
@progress_options
def reproduce(
    name: str,
    scale: str,
    limit_queries: int | None,
    full_ranking: bool,
    options: TableOptions,
    dry_run: bool,
    device: str,
    workers: int,
    executor: ExecutorName,
    job_cpus: int | None,
    job_gpus: int | None,
    job_memory: int,
    ray_address: str | None,
    slurm_partition: str | None,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    choice: ProgressChoice,
) -> None:
    """Run the experiment's missing runs, write its table and plot to results/tables, and print the table.

    NAME is an experiment (see 'bench list experiments') or the path of a YAML file. Completed runs are reused, and
    an interrupted reproduction resumes where it stopped. With --columns, only the runs of these columns are executed.
    With --scale smoke or full, or with --full-ranking, the names of the files written say so.

    With several workers, each adapter is trained once, and a run starts when its adapters are ready. The output of each
    job is written to results/logs.
    """
    from bench.files.extras import require
    from bench.files.folders import Folders
    from bench.registry import registry
    from bench.report.experiment_report import experiment_at, report_of
    from bench.report.tables.chosen_columns import with_columns
    from bench.runs.executors.choice import ExecutorChoice

    # only the runs of the chosen columns are needed
    experiment = with_columns(experiment_at(name, scale, registry(), limit_queries, full_ranking), options.columns)
    if experiment.figure is not None and not dry_run:
        require(f"The figure of '{name}'", "plots")  # before the runs, which take long
    say_of_external(experiment)
    folders = Folders(cache_dir, results_dir, data_dir)
    workers_choice = ExecutorChoice(executor, workers, job_cpus, job_gpus, job_memory, ray_address, slurm_partition)
    with choice.shown() as progress:
        if experiment.statistics:
            commands = _count(experiment, folders, dry_run, progress)
        else:
            commands = _run(experiment, folders, dry_run, device, workers_choice, progress)
        table = "" if dry_run else _written(report_of(experiment, results_dir, registry(), options), progress)
    for command in commands:
        click.echo(command)
    click.echo(table, nl=False)


def _run(
    experiment: Experiment,
    folders: Folders,
    dry_run: bool,
    device: str,
    choice: ExecutorChoice,
    progress: Progress,
) -> list[str]:
    """Execute the runs that are not stored, or return their commands."""
    from bench.experiments.complete import complete_experiment
    from bench.runs.earlier_runs import announced
    from bench.runs.environment import chosen_device
    from bench.runs.plan import plan_of
    from bench.runs.store import RunStore
    from bench.runs.tasks import Tasks

    store = RunStore(folders.results_dir)
    tasks = Tasks(folders, progress)
    with ExitStack() as opened:
        executor = None
        if not (dry_run or choice.in_this_process):  # before the planning, during which workers load libraries
            executor = opened.enter_context(choice.open(folders.results_dir))
        completed = complete_experiment(experiment)
        # only runs that will be executed may read data: a table of stored runs is built without any
        plan = plan_of(
            [spec for _, spec in completed],
            folders,
            progress,
            reads_data=lambda spec: not dry_run and not store.exists(spec.hash()),
            tasks=tasks,
        )
        tell(progress, Note(f"{experiment.file_name}: {plan.summary()}"))
        if dry_run:
            commands = {spec.hash(): request.command() for request, spec in completed}
            return [commands[job.id] for job in plan.runs if not job.is_done]
        estimate = announced(plan, tasks, chosen_device(device), choice.n_workers)
        del tasks  # it keeps all datasets in memory, and each run reads its own
        if executor is None:
            _one_by_one(plan, folders, chosen_device(device), progress, estimate)
        else:
            _hand_out(plan, executor, folders, choice, progress, estimate)
    return []


def _one_by_one(plan: Plan, folders: Folders, device: str, progress: Progress, estimate: PlanEstimate) -> None:
    """Execute the missing runs in this process."""
    from bench.plugin import LastLoaded
    from bench.runs.engine import run
    from bench.runs.estimate import seconds_with
    from bench.runs.executors.walk import run_name
    from bench.runs.progress.phases import expected_of_job

    missing = [job for job in plan.runs if not job.is_done]
    to_do = list(plan.to_do())
    with LastLoaded() as held:
        for number, job in enumerate(missing):
            progress.tell(Jobs(number, len(missing), seconds_with(1, to_do, estimate.jobs) or None))
            hook, began = progress.part(job.id, run_name(job)), time.monotonic()
            hook.tell(expected_of_job(plan, job.id, estimate))
            run(job.spec, folders, hook, device=device, held=held)
            seconds = time.monotonic() - began
            hook.tell(Ended(f"[{number + 1}/{len(missing)}] {run_name(job)}: done in {seconds:.1f} s"))
            to_do = [one for one in to_do if one.id not in (job.id, *job.needs)]


def _hand_out(
    plan: Plan,
    executor: Executor,
    folders: Folders,
    choice: ExecutorChoice,
    progress: Progress,
    estimate: PlanEstimate,
) -> None:
    """Let workers execute the missing jobs; raise BenchError if some of them fail."""
    from bench.runs.executors.walk import carry_out, failures

    outcomes = carry_out(plan, executor, folders.absolute(), choice.resources, progress, estimate)
    failed = failures(outcomes)
    if failed:
        first, error = next(iter(failed.items()))
        raise BenchError(
            f"{len(failed)} of {len(outcomes)} jobs failed, the first of them {first}: {error} The results of the "
            "others are stored; repeat the command to try again."
        )


def _count(experiment: Experiment, folders: Folders, dry_run: bool, progress: Progress) -> list[str]:
    """Count the datasets that have no stored counts, or return the commands; one without data leaves its row empty."""
    from bench.data.counts import count_and_keep, kept_statistics

    missing = [one.name for one in experiment.datasets if kept_statistics(one.name, folders.results_dir) is None]
    if dry_run:
        return [f"bench data stats {name}" for name in missing]
    for number, name in enumerate(missing, start=1):
        progress(f"[{number}/{len(missing)}] {name}")
        try:
            count_and_keep(name, folders.data_dir, folders.cache_dir, folders.results_dir, progress)
        except BenchError as error:
            tell(progress, Note(f"{name} is not counted: {error}"))
    return []


def _written(report: ExperimentReport, progress: Progress) -> str:
    """Write table and plot in every format, and return the table as text."""
    from bench.files.store import write_text
    from bench.report.formats.render import render_table

    folder, suffixes = report.results_dir / "tables", list(SUFFIXES.values())
    for output_format, suffix in SUFFIXES.items():
        write_text(folder / f"{report.file_name}.{suffix}", render_table(report.table, output_format))
    if report.experiment.figure is not None:
        from bench.report.figures.draw import FORMATS, write_figure

        write_figure(report.figure(), folder)
        suffixes += FORMATS
    tell(progress, Note(f"Wrote {folder / report.file_name}.{{{','.join(suffixes)}}}."))
    return render_table(report.table, "text")
