"""Popularity bias, stability and trainings of the rows of an experiment, computed from the shipped records."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from command_pages import escaped
from method_pages import MEASURED, table

from bench.diagnose.summary import Diagnosis, diagnose_run
from bench.diagnose.training import TrainingCourse, training_courses
from bench.experiments.reader import load_experiment
from bench.metrics import Metric
from bench.registry import registry
from bench.report.page.qualities import repetitions_of
from bench.report.tables.layout import experiment_layout
from bench.report.tables.texts import metric_title
from bench.runs.store import RunStore

if TYPE_CHECKING:
    from bench.report.page.content import Repetition
    from bench.runs.record import RunRecord

STORE = RunStore(MEASURED)
DASH = "–"


def popularity(experiment: str, dataset: str, setting: str, metric: str = "ndcg@3") -> str:
    """Return each row's popularity ratio and its metric by quintiles of the target items' popularity."""
    found = [
        (label, diagnose_run(runs[0], STORE, Metric.parse(metric)))
        for label, runs in _rows(experiment, dataset, setting)
    ]
    shown = [(label, one) for label, one in found if one.bias is not None]
    if not shown:
        raise ValueError(f"no shipped run of '{experiment}' on {dataset}, {setting} contains its top items")
    fifths = (f"{group.lowest:,}–{group.highest:,}" for group in shown[0][1].groups)
    head = ("Method", metric_title(metric), "Popularity ratio", *fifths)
    return table(head, ([escaped(label), *_popularity(one)] for label, one in shown))


def stability(experiment: str, dataset: str, setting: str) -> str:
    """Return how much each row's results vary over seeds and repeated scoring."""
    rows = [
        [escaped(label), *_stability(one)]
        for label, runs in _rows(experiment, dataset, setting)
        for one in repetitions_of(runs, STORE)
    ]
    if not rows:
        raise ValueError(
            f"no shipped row of '{experiment}' on {dataset}, {setting} has several seeds or repeated scoring"
        )
    return table(("Method", "Over", "Times", "Queries", "Metric", "Range", "Top item changes"), rows)


def doubling(experiment: str, dataset: str, setting: str) -> str:
    """Return what each row's training gained by going on to twice its length, and which rows have not been run."""
    found = list(_rows(experiment, dataset, setting))
    rows = [
        [escaped(label), *_doubling(training)]
        for label, runs in found
        for training in training_courses(runs[0].fit)
        if training.gain is not None
    ]
    if not rows:
        raise ValueError(f"no shipped row of '{experiment}' on {dataset}, {setting} has a validation curve")
    shown = table(("Method", "Epochs", "Validation NDCG@3", "Twice the epochs", "Gain"), rows)
    return _with_missing(shown, experiment, [label for label, _ in found])


def lengths(experiment: str, dataset: str, setting: str) -> str:
    """Return how long each row was trained and what it reached, and which rows have not been run."""
    found = [(label, runs[0]) for label, runs in _rows(experiment, dataset, setting)]
    rows = [[escaped(label), *_length(run), *_reached(run)] for label, run in found]
    shown = table(("Method", "Steps", "Epochs", "Validation NDCG@3", "NDCG@1", "NDCG@3"), rows)
    return _with_missing(shown, experiment, [label for label, _ in found])


def _rows(experiment: str, dataset: str, setting: str) -> Iterator[tuple[str, list[RunRecord]]]:
    layout = experiment_layout(load_experiment(experiment), STORE.records(), registry())
    places = [(group.dataset, group.setting) for group in layout.groups]
    if (dataset, setting) not in places:
        raise ValueError(f"'{experiment}' has no columns of {dataset}, {setting}")
    for row in layout.rows:
        if runs := list(row.slots[places.index((dataset, setting))].records):
            yield row.label, runs


def _with_missing(shown: str, experiment: str, labels: Collection[str]) -> str:
    """Return a table with the names of the experiment's rows that it does not contain."""
    missing = [row.label for row in load_experiment(experiment).rows if row.label not in labels]
    return f"{shown}\n\nNot run yet: {', '.join(map(escaped, missing))}." if missing else shown


def _popularity(found: Diagnosis) -> list[str]:
    ratio = None if found.bias is None else found.bias.ratio
    fifths = (f"{group.value:.4f}" for group in found.groups)
    return [f"{found.value:.4f}", DASH if ratio is None else f"{ratio:.2f}", *fifths]


def _stability(one: Repetition) -> list[str]:
    flips = DASH if one.flip_rate is None else f"{100 * one.flip_rate:.1f}%"
    spread = f"{one.lowest:.4f}–{one.highest:.4f}"
    return [one.over, str(one.times), f"{one.n_queries:,}", metric_title(one.metric), spread, flips]


def _doubling(training: TrainingCourse) -> list[str]:
    epochs, best, gain = training.epochs or 0, training.validation or 0, training.gain or 0
    return [f"{epochs / 2:g} → {epochs:g}", f"{best - gain:.4f}", f"{best:.4f}", f"{gain:+.4f}"]


def _length(run: RunRecord) -> list[str]:
    """Return the optimizer steps and the epochs of a run's training, where its record states them."""
    steps = sum(adapter.n_steps for adapter in run.fit.adapters.values())
    epochs = [course.epochs for course in training_courses(run.fit) if course.epochs is not None]
    return [f"{steps:,}" if steps else DASH, f"{epochs[0]:.1f}" if epochs else DASH]


def _reached(run: RunRecord) -> list[str]:
    best = [course.validation for course in training_courses(run.fit) if course.validation is not None]
    tested = (run.metrics[name]["value"] for name in ("ndcg@1", "ndcg@3"))
    return [f"{best[0]:.4f}" if best else DASH, *(f"{value:.4f}" for value in tested)]
