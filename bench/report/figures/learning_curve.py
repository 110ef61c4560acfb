"""Learning curves: the number of training users at which a method overtakes a zero-shot reference.

X-Cross (SIGIR '25), table 3 and figure 3: a method exceeds the reference from the first size at which its mean over
subsets is higher. The method under study is better than another method up to the first size at which the difference is
not significant over users and over subsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.plugin import PromptReport
from bench.report.tables.layout import experiment_layout
from bench.report.tables.values import SlotValues, read_group
from bench.significance.comparison import seeds_t_test
from bench.significance.regression import Regression, least_squares
from bench.significance.tests import Distinct, holm, paired_t_test

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment
    from bench.registry import Registry
    from bench.runs.store import RunStore


@dataclass(frozen=True)
class Point:
    """A method trained on a number of users of one target."""

    method: str
    n_users: int
    mean: float
    """Mean of the metric over subsets."""
    sd: float | None
    """Standard deviation over subsets; None for one subset."""
    n_subsets: int
    gain: float
    """Difference from the reference."""


@dataclass(frozen=True)
class Curve:
    """All points of one target, with the quantities of table 3."""

    dataset: str
    title: str
    n_queries: int
    reference: float
    """Metric of the reference, which is not trained on users of the target."""
    points: tuple[Point, ...]
    exceeds: dict[str, int | None]
    """Method → the first size at which it exceeds the reference; None if it never does."""
    better_below: dict[str, int | None]
    """Other method → the first size at which the method under study is not significantly better, if any."""

    def saved_percent(self, study: str, rival: str) -> float | None:
        """Return the percentage of users saved by the method under study; None if one never exceeds the reference."""
        ours, theirs = self.exceeds[study], self.exceeds[rival]
        return None if ours is None or theirs is None else 100 * (1 - ours / theirs)


@dataclass(frozen=True)
class Curves:
    """The learning curves of an experiment, one per target."""

    metric: str
    methods: tuple[str, ...]
    """The method under study, then the methods it is compared with."""
    curves: tuple[Curve, ...]
    regressions: dict[str, Regression | str]
    """Method → regression of its gains, or the reason why it cannot be estimated."""
    missing: tuple[str, ...]
    """Commands for the missing runs."""


def learning_curves(
    experiment: Experiment, metric: str, store: RunStore, registry: Registry, level: float = 0.05
) -> Curves:
    """Compute learning curves from an experiment's stored runs; targets without a reference or points are skipped.

    Raises:
        BenchError: no row sets ``train_users``, there is not exactly one ``reference`` row, no run is stored, or the
            runs of a target ranked different candidates.
    """
    if len(experiment.settings) > 1:
        raise BenchError(f"Experiment '{experiment.name}' has several settings; a learning curve needs exactly one.")
    if len(experiment.candidates) > 1:
        raise BenchError(
            f"Experiment '{experiment.name}' has several kinds of candidates; a learning curve needs exactly one."
        )
    layout = experiment_layout(experiment, store.records(), registry)
    sized = [number for number, row in enumerate(experiment.rows) if row.train_users is not None]
    others = [number for number, row in enumerate(experiment.rows) if row.train_users is None and row.reference]
    if not sized or len(others) != 1:
        raise BenchError(
            f"Experiment '{experiment.name}' has no learning curve: it needs rows with 'train_users', and one row "
            "without it that sets 'reference: true'. See 'bench list experiments'."
        )
    methods = tuple(dict.fromkeys(experiment.rows[number].method for number in sized))
    curves, observed = [], []
    for place, dataset in enumerate(experiment.datasets):
        slots = [row.slots[place] for row in layout.rows]
        if not slots[others[0]].records or not any(slots[number].records for number in sized):
            continue
        values = read_group(slots, store)
        reference = values[others[0]].by_seed(metric).mean(axis=0)
        found = {
            (experiment.rows[number].method, experiment.rows[number].train_users or 0): values[number]
            for number in sized
            if values[number].records
        }
        curves.append(_curve(dataset.name, dataset.title, methods, metric, reference, found, level))
        observed += list(_observations(dataset.name, metric, float(reference.mean()), found))
    missing = dict.fromkeys(command for row in layout.rows for slot in row.slots for command in slot.missing)
    if not curves:
        raise BenchError(
            f"No runs of experiment '{experiment.name}' are stored in {store.results_dir}. "
            f"Run 'bench reproduce {experiment.name}'."
        )
    regressions = {method: _regression([one for one in observed if one.method == method]) for method in methods}
    return Curves(metric, methods, tuple(curves), regressions, tuple(missing))


@dataclass(frozen=True)
class _Observation:
    """One run of a learning curve."""

    method: str
    dataset: str
    subset: tuple[int, int]
    n_users: int
    gain: float
    prompts: PromptReport
    """``mean_tokens`` and ``diversity`` of its training prompts."""


def _curve(
    name: str,
    title: str,
    methods: Sequence[str],
    metric: str,
    reference: NDArray[np.float64],
    found: dict[tuple[str, int], SlotValues],
    level: float,
) -> Curve:
    means = {key: values.by_seed(metric) for key, values in found.items()}
    points = [_point(method, size, by_run, float(reference.mean())) for (method, size), by_run in means.items()]
    exceeds = {
        method: min((one.n_users for one in points if one.method == method and one.gain > 0), default=None)
        for method in methods
    }
    better = {rival: _better_below(methods[0], rival, means, level) for rival in methods[1:]}
    return Curve(name, title, len(reference), float(reference.mean()), tuple(points), exceeds, better)


def _point(method: str, n_users: int, by_run: NDArray[np.float64], reference: float) -> Point:
    means = by_run.mean(axis=1)
    sd = float(means.std(ddof=1)) if len(means) > 1 else None
    return Point(method, n_users, float(means.mean()), sd, len(means), float(means.mean()) - reference)


def _better_below(
    study: str, rival: str, by_run: dict[tuple[str, int], NDArray[np.float64]], level: float
) -> int | None:
    """Return the first size at which the study is not significantly better, for values of shape (n_subsets, n_users).

    Two tests must be significant: a paired t-test on users' means over subsets, Holm-corrected over the sizes, and a
    t-test on subsets' means over users. They test whether the difference holds for other users and other subsets.
    """
    sizes = sorted({size for method, size in by_run if method == study and (rival, size) in by_run})
    pairs = [(by_run[study, size], by_run[rival, size]) for size in sizes]
    differences = [ours.mean(axis=0) - theirs.mean(axis=0) for ours, theirs in pairs]
    over_users = holm([paired_t_test(Distinct.of(difference)) for difference in differences])
    over_subsets = [seeds_t_test(ours.mean(axis=1), theirs.mean(axis=1)) or 0.0 for ours, theirs in pairs]
    for size, difference, *p_values in zip(sizes, differences, over_users, over_subsets, strict=True):
        if max(p_values) >= level or difference.mean() <= 0:
            return size
    return None


def _observations(
    dataset: str, metric: str, reference: float, found: dict[tuple[str, int], SlotValues]
) -> Iterator[_Observation]:
    """Yield one observation per run whose record describes its training prompts."""
    for (method, n_users), values in found.items():
        for record, by_user in zip(values.records, values.by_seed(metric), strict=True):
            prompts = record.fit.training_prompts
            if prompts is not None:
                gain = float(by_user.mean()) - reference
                yield _Observation(method, dataset, record.repetition, n_users, gain, prompts)


def _regression(observed: Sequence[_Observation]) -> Regression | str:
    """Regress gains on size, length and diversity; each subset of a target is a cluster, as its sizes are nested."""
    predictors = {
        "doubling of training users": np.log2([one.n_users for one in observed]),
        "token per prompt": np.array([one.prompts.mean_tokens for one in observed]),
        "0.01 of prompt diversity": np.array([100 * one.prompts.diversity for one in observed]),
    }
    gains = np.array([one.gain for one in observed])
    try:
        return least_squares(
            gains, predictors, [one.dataset for one in observed], [(one.dataset, one.subset) for one in observed]
        )
    except BenchError as error:
        return str(error)
