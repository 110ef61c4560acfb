"""``bench diagnose``: cost, course of training, popularity bias and stability of stored runs."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.completion import complete_runs
from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    results_dir_option,
)
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.report.metric_names import checked_metrics

if TYPE_CHECKING:
    from bench.diagnose.repeated_answers import Over
    from bench.diagnose.stability import Stability
    from bench.diagnose.summary import Diagnosis
    from bench.diagnose.training import TrainingCourse

DASH = "–"
MEBIBYTE = 2**20
EXAMPLES = """\b
Examples:
  bench diagnose sasrec@beauty@warm text-knn@beauty@warm
  bench diagnose 3f2a9c --permutations 5 --queries 200 --json
  bench diagnose zeroshot@ml-100k-drama@warm --permutations 3 --paraphrases 3
"""


@click.command(epilog=EXAMPLES)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_runs)
@click.option("--metric", default="ndcg@3", show_default=True, help="Metric to report by popularity and for stability.")
@click.option(
    "--permutations",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Number of times to score again with permuted candidate lists. Trains the model, or loads it from the cache.",
)
@click.option(
    "--paraphrases",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Number of times to score again with a paraphrased prompt, for methods that use the shared decoder prompt.",
)
@click.option(
    "--queries",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Number of queries to score again (a random sample).",
)
@click.option("--device", default="auto", show_default=True, help="Torch device; auto uses a GPU if available.")
@data_dir_option
@cache_dir_option
@results_dir_option
@progress_options
@json_option
def diagnose(
    runs: tuple[str, ...],
    metric: str,
    permutations: int,
    paraphrases: int,
    queries: int,
    device: str,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    choice: ProgressChoice,
    as_json: bool,
) -> None:
    """Show the cost, course of training, popularity bias and stability of stored runs.

    RUN is a prefix of a run id, or a name of the form method@dataset@setting[@full][@seedN], where @full means a run
    with --full-ranking. Runs that differ only in their seed are compared with each other. "2nd half" is by how much the
    best validation NDCG@3 of a training exceeds the best of its first half, so what doubling the budget gained.
    Popularity is the number of training interactions; the groups are quintiles of the queries by the popularity of the
    positive, with ties in the same group. Results of repeated scoring are saved with the run and shown by 'bench
    report'.
    """
    from bench.diagnose.summary import across_seeds, diagnose_run
    from bench.files.folders import Folders
    from bench.metrics import Metric
    from bench.runs.store import RunStore

    (name,) = checked_metrics((metric,))
    parsed, store = Metric.parse(name), RunStore(results_dir)
    records = [store.find(token) for token in runs]
    found = [diagnose_run(record, store, parsed) for record in records]
    stable = [(record.token, "seeds", each) for record, each in across_seeds(records, store, parsed)]
    if permutations or paraphrases:
        from bench.diagnose.repeated_answers import AskedAgain, keep
        from bench.diagnose.rescore import rescorer
        from bench.runs.environment import chosen_device

        folders, chosen = Folders(cache_dir, results_dir, data_dir), chosen_device(device)
        for record in records:
            with (
                choice.shown() as progress,
                redirect_stdout(sys.stderr),
            ):  # some libraries print, and standard output is for the result
                asked = rescorer(record, folders, parsed, queries, progress, chosen)
                answers: list[tuple[Over, Stability]] = []
                if permutations:
                    answers.append(("candidate order", asked.over_candidate_orders(permutations)))
                if paraphrases:
                    answers.append(("paraphrases", asked.over_paraphrases(paraphrases)))
            for over, each in answers:
                keep(record, AskedAgain(over, name, asked.n_queries, each), store)
                stable.append((record.token, over, each))
    click.echo(json.dumps(_facts(name, found, stable), indent=2) if as_json else _text(name, found, stable))


def _facts(metric: str, found: list[Diagnosis], stable: list[tuple[str, str, Stability]]) -> dict[str, Any]:
    return {
        "metric": metric,
        "runs": [
            {
                "id": one.record.id,
                "run": one.record.token,
                "value": one.value,
                "efficiency": asdict(one.efficiency),
                "trainings": [asdict(training) for training in one.trainings],
                "popularity": one.bias and {**asdict(one.bias), "ratio": one.bias.ratio},
                "by_popularity": [asdict(group) for group in one.groups],
            }
            for one in found
        ],
        "stability": [
            {"run": token, "over": over, **asdict(each), "spread": each.spread, "deviation": each.deviation}
            for token, over, each in stable
        ],
    }


def _text(metric: str, found: list[Diagnosis], stable: list[tuple[str, str, Stability]]) -> str:
    costs = [[one.record.token, f"{one.value:.4f}", *_cost(one)] for one in found]
    parts = [
        _table(
            [*("run", metric, "users/s", "fit s", "trained", "peak MiB", "top pop.", "positive pop.", "ratio")], costs
        )
    ]
    trainings = [[one.record.token, each.name, *_course(each)] for one in found for each in one.trainings]
    if trainings:
        columns = ["run", "training", "ended", "epochs", "best epoch", "validation ndcg@3", "2nd half"]
        parts.append(_table(columns, trainings))
    groups = [
        [one.record.token if first else "", f"{group.lowest:,}–{group.highest:,}", f"{group.n_queries:,}", value]
        for one in found
        for first, group, value in ((group == one.groups[0], group, f"{group.value:.4f}") for group in one.groups)
    ]
    if groups:
        parts.append(_table(["run", "positive's interactions", "queries", metric], groups))
    if any(one.bias is None for one in found):
        parts.append("A dash under popularity means that the run does not store it: run it again with --rescore.")
    if stable:
        rows = [[token, over, *_stability(each)] for token, over, each in stable]
        parts.append(_table(["run", "over", "times", "lowest", "highest", "sd", "top item changes"], rows))
    return "\n\n".join(parts)


def _cost(one: Diagnosis) -> list[str]:
    cost, bias = one.efficiency, one.bias
    peak = None if cost.peak_memory_bytes is None else cost.peak_memory_bytes / MEBIBYTE
    popularity = (bias.top, bias.positive, bias.ratio) if bias else (None, None, None)
    return [
        _number(cost.users_a_second, ",.0f"),
        _number(cost.fit_seconds, ",.1f"),
        _number(cost.trained_parameters, ",d"),
        _number(peak, ",.0f"),
        *(_number(value, ",.2f") for value in popularity),
    ]


def _course(each: TrainingCourse) -> list[str]:
    epochs = [_number(value, ".4g") for value in (each.epochs, each.best_epoch)]
    return [each.ended, *epochs, _number(each.validation, ".4f"), _number(each.gain, "+.4f")]


def _stability(each: Stability) -> list[str]:
    values = (min(each.values), max(each.values), each.deviation)
    return [str(len(each.values)), *(f"{value:.4f}" for value in values), _number(each.flip_rate, ".1%")]


def _number(value: float | None, form: str) -> str:
    return DASH if value is None else format(value, form)


def _table(headers: list[str], rows: list[list[str]]) -> str:
    from tabulate import tabulate

    right = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(rows, headers=headers, tablefmt="plain", disable_numparse=True, colalign=right)
