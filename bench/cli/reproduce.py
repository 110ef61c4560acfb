"""``bench reproduce``: execute the missing runs of experiments, then write their tables and plots in every format."""

from __future__ import annotations

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
from bench.progress import Note, tell

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.files.folders import Folders
    from bench.progress import Progress
    from bench.report.experiment_report import ExperimentReport
    from bench.report.tables.options import TableOptions
    from bench.report.tables.table import TableFormat
    from bench.runs.executors.choice import ExecutorName

EXECUTORS = ("processes", "ray", "slurm")
SUFFIXES: dict[TableFormat, str] = {"latex": "tex", "markdown": "md", "csv": "csv", "json": "json"}
EXAMPLES = """\b
Examples:
  bench reproduce demo
  bench reproduce reccocktail-figure4 --scale smoke
  bench reproduce main-warm-cold --limit 1000
  bench reproduce main-warm-cold merging-claims weaverec-table3 --workers 4
"""


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, required=True, shell_complete=complete_experiments)
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
@click.option("--track", help="Send each run that is executed to a tracker: tensorboard, mlflow or wandb.")
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
    names: tuple[str, ...],
    scale: str,
    limit_queries: int | None,
    full_ranking: bool,
    options: TableOptions,
    dry_run: bool,
    device: str,
    track: str | None,
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
    """Run the missing runs of experiments, write their tables and plots to results/tables, and print the tables.

    NAMES are experiments (see 'bench list experiments') or paths of YAML files. What several of them need is trained
    and run once. Completed runs are reused, and an interrupted reproduction resumes where it stopped. With --columns,
    only the runs of these columns are executed. With --scale smoke or full, or with --full-ranking, the names of the
    files written say so.

    With several workers, each adapter is trained once, and a run starts when its adapters are ready. The output of each
    job is written to results/logs.
    """
    from bench.cli.reproduce_runs import execute_missing
    from bench.files.extras import require
    from bench.files.folders import Folders
    from bench.registry import registry
    from bench.report.experiment_report import experiment_at, report_of
    from bench.report.tables.chosen_columns import with_columns
    from bench.report.trackers.tracked import require_tracker
    from bench.runs.executors.choice import ExecutorChoice

    if track:
        require_tracker(track)
    if len(names) > 1 and (options.caption or options.label):
        raise click.UsageError("--caption and --label are for a single table: name one experiment.")
    read = [experiment_at(name, scale, registry(), limit_queries, full_ranking) for name in dict.fromkeys(names)]
    experiments = [with_columns(one, options.columns) for one in read]  # only the runs of these columns are needed
    for experiment in experiments:
        if experiment.figure is not None and not dry_run:
            require(f"The figure of '{experiment.name}'", "plots")  # before the runs, which take long
        say_of_external(experiment)
    folders = Folders(cache_dir, results_dir, data_dir)
    workers_choice = ExecutorChoice(executor, workers, job_cpus, job_gpus, job_memory, ray_address, slurm_partition)
    with choice.shown() as progress:
        commands = [
            command for one in experiments if one.statistics for command in _count(one, folders, dry_run, progress)
        ]
        of_runs = [one for one in experiments if not one.statistics]
        if of_runs:
            commands += execute_missing(of_runs, folders, dry_run, device, workers_choice, progress, track)
        shown = [] if dry_run else experiments
        tables = [_written(report_of(one, results_dir, registry(), options), progress) for one in shown]
    for command in commands:
        click.echo(command)
    click.echo("\n".join(tables), nl=False)


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
