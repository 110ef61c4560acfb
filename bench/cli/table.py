"""``bench table``: a table from stored runs, as text or in a format for papers, pages and scripts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import NearChoice, results_dir_option
from bench.errors import BenchError
from bench.spec import CANDIDATES, SETTINGS

if TYPE_CHECKING:
    from bench.report.table import Table

FORMATS = ("text", "markdown", "latex", "csv", "html", "json")
STORED_METRICS = ("ndcg@1", "ndcg@3")
EXAMPLES = """\b
Examples:
  bench table main-warm-cold --format latex --output table.tex
  bench table baselines-warm --published
  bench table baselines-warm --full-ranking
  bench table --dataset beauty --setting cold --metric ndcg@1 --metric mrr@5
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", required=False)
@click.option("--dataset", help="Instead of NAME: all stored runs of this dataset.")
@click.option("--setting", type=NearChoice(SETTINGS), help="Instead of NAME: the setting of these runs.")
@click.option(
    "--metric", "metrics", multiple=True, help="Metric of such a table, as ndcg@1, hit@3 or mrr@5; repeatable."
)
@click.option("--published", is_flag=True, help="Put the papers' printed figures beside ours, with a verdict on each.")
@click.option(
    "--full-ranking", is_flag=True, help="Put the ranking of the whole catalogue beside that of frozen lists."
)
@click.option("--format", "output_format", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead.")
@results_dir_option
def table(
    name: str | None,
    dataset: str | None,
    setting: str | None,
    metrics: tuple[str, ...],
    published: bool,
    full_ranking: bool,
    output_format: str,
    output: Path | None,
    results_dir: Path,
) -> None:
    """Print the table of an experiment, or of all stored runs of one dataset and setting.

    NAME is an experiment (see 'bench list experiments') or the path of a YAML file. Nothing is run: a cell without
    a stored run shows a dash, and the command that makes the run stands below.
    """
    from bench.report.render import render
    from bench.store import write_text

    if full_ranking and name is None:
        raise BenchError(
            "--full-ranking needs the name of an experiment; a table of stored runs shows all that are stored. "
            "See 'bench list experiments'."
        )
    if published and full_ranking:
        raise BenchError("What papers printed is of sampled lists: give --published or --full-ranking, not both.")
    if published:
        text = _beside(name, output_format, results_dir)
    else:
        text = render(_built(name, dataset, setting, metrics, full_ranking, results_dir), output_format)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
        click.echo(f"Wrote {output}.", err=True)


def _beside(name: str | None, output_format: str, results_dir: Path) -> str:
    from bench.experiment_reader import load_experiment
    from bench.registry import registry
    from bench.report.beside import beside_published, render_beside
    from bench.report.build import build_table
    from bench.runs import RunStore

    if name is None:
        raise BenchError("--published needs the name of an experiment. See 'bench list experiments'.")
    experiment = load_experiment(name)
    table = build_table(experiment, RunStore(results_dir), registry())
    return render_beside(beside_published(experiment, table, registry()), output_format, experiment.percent)


def _built(
    name: str | None,
    dataset: str | None,
    setting: str | None,
    metrics: tuple[str, ...],
    full_ranking: bool,
    results_dir: Path,
) -> Table:
    from bench.cli.metric_names import checked_metrics
    from bench.experiment_reader import load_experiment
    from bench.registry import registry
    from bench.report.build import build_table, stored_table
    from bench.runs import RunStore

    store = RunStore(results_dir)
    if name is not None and not (dataset or setting or metrics):
        experiment = load_experiment(name)
        if full_ranking:
            experiment = dataclasses.replace(experiment, candidates=CANDIDATES)
        return build_table(experiment, store, registry())
    if name is None and dataset and setting:
        return stored_table(dataset, setting, checked_metrics(metrics or STORED_METRICS), store, registry())
    raise BenchError(
        "Give either the name of an experiment or both --dataset and --setting (with --metric, if you like). "
        "See 'bench list experiments'."
    )
