"""``bench table``: a table or figure from stored runs, as text, LaTeX, Markdown, CSV or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.completion import complete_datasets, complete_experiments
from bench.cli.options import (
    NearChoice,
    cache_dir_option,
    data_dir_option,
    results_dir_option,
    say_of_data,
    scale_option,
)
from bench.cli.paths import OutputPath
from bench.cli.table_options import check_format, check_output, table_options
from bench.errors import BenchError
from bench.experiments.scale import DEFAULT_SCALE
from bench.report.tables.table import TABLE_FORMATS
from bench.spec import SETTINGS, Setting

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.report.experiment_report import ExperimentReport
    from bench.report.tables.options import TableOptions
    from bench.report.tables.table import Table, TableFormat

EXAMPLES = """\b
Examples:
  bench table main-warm-cold --format latex --output table.tex
  bench table baselines-warm --format latex --notes short --percent --columns beauty,ndcg@1,hit@5
  bench table baselines-warm --ours UniSRec --improvement row --mean-rank
  bench table baselines-warm --published
  bench table baselines-warm --full-ranking
  bench table weaverec-figure8 --figure
  bench table main-warm-cold --strict
  bench table --audit weaverec
  bench table --dataset beauty --setting cold --metric ndcg@1 --metric mrr@5
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", required=False, shell_complete=complete_experiments)
@click.option("--dataset", shell_complete=complete_datasets, help="Instead of NAME: all stored runs on this dataset.")
@click.option("--setting", type=NearChoice(SETTINGS), help="Instead of NAME: the setting of these runs.")
@click.option(
    "--metric", "metrics", multiple=True, help="Metric of that table, such as ndcg@1, hit@3 or mrr@5; repeatable."
)
@scale_option
@click.option("--published", is_flag=True, help="Compare with the numbers reported in the papers.")
@click.option(
    "--full-ranking", is_flag=True, help="Add columns for ranking the full catalogue next to those for fixed lists."
)
@click.option("--figure", is_flag=True, help="Draw the experiment's plot as NAME.pdf and NAME.png in results/tables.")
@click.option(
    "--audit",
    is_flag=True,
    help="List reported numbers that are mathematically inconsistent, with the reason. NAME is a paper (weaverec), one "
    "of its tables (weaverec-table1), a YAML file of reported tables, or all.",
)
@click.option("--strict", is_flag=True, help="Fail if a row was not trained to convergence (↗).")
@click.option("--format", "output_format", type=click.Choice(TABLE_FORMATS), default="text", show_default=True)
@click.option("--output", type=OutputPath(), help="Write to this file instead of standard output.")
@table_options
@results_dir_option
@data_dir_option
@cache_dir_option
def table(
    name: str | None,
    dataset: str | None,
    setting: Setting | None,
    metrics: tuple[str, ...],
    scale: str,
    published: bool,
    full_ranking: bool,
    figure: bool,
    audit: bool,
    strict: bool,
    output_format: TableFormat,
    output: Path | None,
    options: TableOptions,
    results_dir: Path,
    data_dir: Path | None,
    cache_dir: Path,
) -> None:
    """Print the table of an experiment, or of all stored runs on one dataset in one setting.

    NAME is an experiment (see 'bench list experiments') or the path of a YAML file. Nothing is run: a cell without
    a stored run shows a dash, and the command for each missing run is listed below the table.
    """
    from bench.files.folders import Folders
    from bench.report.tables.convergence import require_converged

    if full_ranking:
        _check_full_ranking(name, published, audit)
    others = {"--published": published, "--figure": figure, "--audit": audit}
    _check(name, dataset, setting, metrics, scale, others)
    for other in (flag for flag, is_given in others.items() if is_given):
        check_output(options, other)
    check_format(options, output_format)
    if audit and strict:
        raise BenchError("--strict checks how rows were trained, and --audit prints no rows: give one of them.")
    if audit:
        _put(_audited(name, output_format), output)
        return
    report = None if name is None else _report(name, scale, results_dir, full_ranking, options)
    made = report.table if report else _stored(dataset, setting, metrics, results_dir, options)
    if strict:
        require_converged(made)
    _say_of_data(made, Folders(cache_dir, results_dir, data_dir))
    if report is not None and figure:
        _draw(report, output)
    elif report is not None and published:
        from bench.report.papers.printed_beside_ours import render_beside

        _put(render_beside(report.beside(), output_format, report.experiment.percent), output)
    else:
        _put(made.render(output_format), output)


def _say_of_data(made: Table, folders: Folders) -> None:
    from bench.runs.store import RunStore

    store = RunStore(folders.results_dir)
    say_of_data(map(store.load, made.run_ids), folders)


def _put(text: str, output: Path | None) -> None:
    """Print a text, or write it to a file."""
    from bench.files.output import write_output

    if output is None:
        click.echo(text, nl=False)
    else:
        write_output(output, text)
        click.echo(f"Wrote {output}.", err=True)


def _check(
    name: str | None,
    dataset: str | None,
    setting: str | None,
    metrics: tuple[str, ...],
    scale: str,
    flags: dict[str, bool],
) -> None:
    """Raise BenchError if the options cannot be combined."""
    asked = [flag for flag, is_given in flags.items() if is_given]
    of_stored = bool(dataset or setting or metrics)
    if len(asked) > 1:
        raise BenchError(f"{' and '.join(asked)} are different outputs: give only one of them.")
    if asked and asked != ["--audit"] and name is None:
        raise BenchError(f"{asked[0]} needs the name of an experiment. See 'bench list experiments'.")
    if asked == ["--audit"] and not of_stored:
        return
    if (name is None) == (not (dataset and setting)) or (name is not None and of_stored):
        raise BenchError(
            "Give either the name of an experiment, or both --dataset and --setting (and optionally --metric). "
            "See 'bench list experiments'."
        )
    if name is None and scale != DEFAULT_SCALE.name:
        raise BenchError("--scale applies to experiments: give an experiment's name. See 'bench list experiments'.")


def _check_full_ranking(name: str | None, published: bool, audit: bool) -> None:
    """Raise BenchError if full ranking cannot be combined with the other options."""
    if published or audit:
        option = "--published" if published else "--audit"
        raise BenchError(f"The papers report results on candidate lists: give either {option} or --full-ranking.")
    if name is None:
        raise BenchError(
            "--full-ranking needs the name of an experiment; a table of stored runs already shows every stored run. "
            "See 'bench list experiments'."
        )


def _report(name: str, scale: str, results_dir: Path, full_ranking: bool, options: TableOptions) -> ExperimentReport:
    from bench.registry import registry
    from bench.report.experiment_report import experiment_at, report_of

    experiment = experiment_at(name, scale, registry(), full_ranking=full_ranking)
    return report_of(experiment, results_dir, registry(), options)


def _draw(report: ExperimentReport, output: Path | None) -> None:
    from dataclasses import replace

    from bench.report.figures.draw import FORMATS as FIGURE_FORMATS
    from bench.report.figures.draw import write_figure

    figure = report.figure()
    if output is None:
        paths = write_figure(figure, report.results_dir / "tables")
    elif output.suffix.removeprefix(".") in FIGURE_FORMATS:
        paths = write_figure(replace(figure, name=output.stem), output.parent, [output.suffix.removeprefix(".")])
    else:
        formats = " or ".join(f".{suffix}" for suffix in FIGURE_FORMATS)
        raise BenchError(f"A plot is written as {formats}, not as '{output.name}'.")
    click.echo(f"Wrote {' and '.join(map(str, paths))}.", err=True)


def _audited(name: str | None, output_format: str) -> str:
    from bench.report.papers.impossible_cells import ALL, audits_of, render_audits

    return render_audits(audits_of(name or ALL), output_format)


def _stored(
    dataset: str | None,
    setting: Setting | None,
    metrics: tuple[str, ...],
    results_dir: Path,
    options: TableOptions,
) -> Table:
    from bench.api.results import stored_runs_table
    from bench.data.names import checked_name

    known = "" if dataset is None else checked_name(dataset)
    return stored_runs_table(known, setting or "", metrics, results_dir, options)
