"""``bench curve``: learning curves over the number of training users, from stored runs."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.completion import complete_experiments
from bench.cli.options import json_option, results_dir_option
from bench.report.metric_names import checked_metrics

EXAMPLES = """\b
Examples:
  bench curve xcross-table3
  bench curve xcross-table3 --metric mrr@10 --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_experiments)
@click.option("--metric", help="Metric of the curves (default: the experiment's first).")
@results_dir_option
@json_option
def curve(name: str, metric: str | None, results_dir: Path, as_json: bool) -> None:
    """Show the training size at which each method overtakes a zero-shot reference.

    NAME is an experiment (or the path of a YAML file) with rows that set 'train_users' and one reference row. For
    each target, prints the mean and standard deviation over subsets at each size, the first size at which a method
    exceeds the reference (X-Cross, table 3), and the sizes at which the first method is significantly better. A
    regression then shows how the gain depends on the number, length and diversity of the training prompts. Nothing is
    run.
    """
    from bench.experiments.reader import load_experiment
    from bench.registry import registry
    from bench.report.figures.learning_curve import learning_curves
    from bench.report.figures.learning_curve_text import curves_to_json, curves_to_text
    from bench.runs.store import RunStore

    experiment = load_experiment(name)
    (wanted,) = checked_metrics([metric or experiment.metrics[0]])
    curves = learning_curves(experiment, wanted, RunStore(results_dir), registry())
    click.echo(curves_to_json(curves) if as_json else curves_to_text(curves), nl=False)
