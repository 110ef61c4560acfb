"""``bench compare``: paired tests between two stored runs, or two methods over several seeds."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.completion import complete_runs
from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    results_dir_option,
    say_of_data,
)
from bench.report.metric_names import USUAL_METRICS
from bench.significance.tests import TESTS, Test

EXAMPLES = """\b
Examples:
  bench compare sasrec@beauty@warm bpr@beauty@warm
  bench compare 3f2a9c 81d04e --metric ndcg@1 --metric mrr@5 --test permutation --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("run_a", metavar="A", shell_complete=complete_runs)
@click.argument("run_b", metavar="B", shell_complete=complete_runs)
@click.option(
    "--metric", "metrics", multiple=True, default=USUAL_METRICS, show_default=True, help="Metric; repeatable."
)
@click.option(
    "--test",
    type=click.Choice(TESTS),
    default="t-test",
    show_default=True,
    help="Test whose p-values are Holm-corrected across the given metrics.",
)
@results_dir_option
@data_dir_option
@cache_dir_option
@json_option
def compare(
    run_a: str,
    run_b: str,
    metrics: tuple[str, ...],
    test: Test,
    results_dir: Path,
    data_dir: Path | None,
    cache_dir: Path,
    as_json: bool,
) -> None:
    """Compare two stored runs, or two methods over several seeds, with paired tests over users.

    A and B are prefixes of run ids, or names of the form method@dataset@setting[@full][@seedN]; a name without a seed
    means the runs of all seeds. If nothing else matches, method or method@dataset is enough. Differences are A minus B,
    with a 95% CI, an effect size (Cohen's d_z), wins and losses per user, and the minimum detectable difference. Runs
    that were trained on different data, ranked different candidates or scored different users cannot be compared.
    Training that did not converge causes a warning.
    """
    from bench.api.results import compare as compared
    from bench.files.folders import Folders
    from bench.runs.store import RunStore

    store = RunStore(results_dir)
    say_of_data([*store.find_seeds(run_a), *store.find_seeds(run_b)], Folders(cache_dir, results_dir, data_dir))
    found = compared(run_a, run_b, metrics, test=test, results_dir=results_dir)
    click.echo(found.to_json() if as_json else str(found), nl=False)
