"""``bench curve``: how many training users a method needs, from stored runs."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import json_option, results_dir_option
from bench.report.metric_names import checked_metrics

EXAMPLES = """\b
Examples:
  bench curve xcross-table3
  bench curve xcross-table3 --metric mrr@10 --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("name")
@click.option("--metric", help="Metric of the curves; default the experiment's first.")
@results_dir_option
@json_option
def curve(name: str, metric: str | None, results_dir: Path, as_json: bool) -> None:
    """Show from which training size on methods pass a reference that learned from no user of the target.

    NAME is an experiment (or the path of a YAML file) with rows that name 'train_users' and one reference row. For
    each target: mean and deviation over subsets at each size, the first size above the reference (X-Cross, table 3),
    and below which size the first method is significantly better. Then a regression: what a method's gain depends
    on, of the size, the length and the diversity of the training prompts. Nothing is run.
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
