from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow
from bench.plugin import Entry, FitReport, PromptReport
from bench.registry import Registry
from bench.report.figures.learning_curve import learning_curves
from bench.report.figures.learning_curve_text import curves_to_json, curves_to_text
from bench.runs.record import RunRecord
from bench.runs.store import RunStore
from bench.significance.regression import Regression

Save = Callable[..., RunRecord]
N = 400
SIZES = (50, 100, 200)
HITS = {"study": {50: 60, 100: 120, 200: 160}, "rival": {50: 40, 100: 60, 200: 161}}
"""Users of 400 whose positive is first, around which the subsets vary; the reference has 100."""
REGISTRY = Registry({name: Entry(name, "integrating") for name in ("study", "rival", "zero")}, {})


def experiment(**fields: Any) -> Experiment:
    rows = [ExperimentRow(method, f"{method} {n}", train_users=n) for method in HITS for n in SIZES]
    facts: dict[str, Any] = {
        "name": "sizes",
        "caption": "Sizes.",
        "rows": (ExperimentRow("zero", "Zero", reference=True), *rows),
        "datasets": (ExperimentDataset("beauty", "Beauty"), ExperimentDataset("toys", "Toys")),
        "settings": ("warm",),
        "metrics": ("hit@1",),
        "train_subsets": (0, 1, 2),
    }
    return Experiment(**{**facts, **fields})


def ranks(n_first: int) -> list[int]:
    return [0] * n_first + [9] * (N - n_first)


@pytest.fixture
def filled(run_store: RunStore, save_run: Save) -> RunStore:
    rng = np.random.default_rng(0)
    save_run("zero", ranks(100))
    for method, sizes in HITS.items():
        for size, hits in sizes.items():
            for subset in (0, 1, 2):
                prompts = PromptReport(size, 50 + rng.random(), 0.9 + rng.random() / 20)
                found = hits + 4 * (subset - 1)
                save_run(
                    method,
                    ranks(found),
                    train_users=size,
                    train_subset=subset,
                    fit=FitReport(training_prompts=prompts),
                )
    return run_store


def test_points_are_means_over_subsets_and_gains_over_the_reference(filled: RunStore) -> None:
    (curve,) = learning_curves(experiment(), "hit@1", filled, REGISTRY).curves
    assert (curve.dataset, curve.n_queries, curve.reference) == ("beauty", N, 0.25)
    point = next(point for point in curve.points if (point.method, point.n_users) == ("study", 100))
    assert point.mean == pytest.approx(0.30)
    assert point.sd == pytest.approx(0.01)
    assert point.gain == pytest.approx(0.05)
    assert point.n_subsets == 3


def test_the_first_size_above_the_reference_and_what_it_saves(filled: RunStore) -> None:
    (curve,) = learning_curves(experiment(), "hit@1", filled, REGISTRY).curves
    assert curve.exceeds == {"study": 100, "rival": 200}
    assert curve.saved_percent("study", "rival") == pytest.approx(50.0)
    assert curve.better_below == {"rival": 200}


def test_a_method_is_not_better_at_a_size_where_its_subsets_disagree(filled: RunStore, save_run: Save) -> None:
    for subset, hits in enumerate((150, 150, 62)):  # 60 more than the rival on the mean, yet not with each subset
        save_run("study", ranks(hits), train_users=100, train_subset=subset)
    (curve,) = learning_curves(experiment(), "hit@1", filled, REGISTRY).curves
    assert curve.better_below == {"rival": 100}


def test_a_method_that_never_gets_there_has_no_size(filled: RunStore, save_run: Save) -> None:
    rows = tuple(row for row in experiment().rows if row.train_users != 200)
    (curve,) = learning_curves(experiment(rows=rows), "hit@1", filled, REGISTRY).curves
    assert curve.exceeds == {"study": 100, "rival": None}
    assert curve.saved_percent("study", "rival") is None
    assert curve.better_below == {"rival": None}


def test_gains_are_regressed_on_size_length_and_diversity_with_a_subset_as_a_cluster(filled: RunStore) -> None:
    curves = learning_curves(experiment(), "hit@1", filled, REGISTRY)
    found = curves.regressions["study"]
    assert isinstance(found, Regression)
    assert (found.n, found.n_clusters) == (9, 3)
    doubling = found.coefficients[0]
    assert doubling.name == "doubling of training users"
    assert doubling.value == pytest.approx((0.40 - 0.15) / 2, abs=0.03)


def test_text_and_json_say_the_same(filled: RunStore) -> None:
    curves = learning_curves(experiment(), "hit@1", filled, REGISTRY)
    text, content = curves_to_text(curves), json.loads(curves_to_json(curves))
    assert "Beauty: Hit@1 in percent on 400 queries" in text
    assert "30.00 ± 1.00 +" in text
    words = next(line for line in text.splitlines() if line.startswith("Beauty  ")).split()
    assert words == ["Beauty", "100", "200", "50.0%", "200"]
    assert content["curves"][0]["exceeds"] == {"study": 100, "rival": 200}
    assert content["curves"][0]["saved_percent"] == {"rival": 50.0}
    assert len(content["missing"]) == 19
    assert "19 runs are missing" in text


def test_a_regression_that_cannot_be_made_says_why(run_store: RunStore, save_run: Save) -> None:
    save_run("zero", ranks(100))
    save_run("study", ranks(120), train_users=50)
    curves = learning_curves(experiment(), "hit@1", run_store, REGISTRY)
    assert "0 observations in 0 clusters are too few" in str(curves.regressions["study"])
    assert "are too few" in curves_to_text(curves)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, r"No runs of experiment 'sizes' are stored .*bench reproduce sizes"),
        ({"rows": (ExperimentRow("zero", "Zero", reference=True),)}, "has no learning curve: it needs rows with"),
        ({"rows": experiment().rows[1:]}, "one row without it that sets 'reference: true'"),
        ({"settings": ("warm", "cold")}, "has several settings"),
    ],
)
def test_what_is_no_curve_is_refused(run_store: RunStore, fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        learning_curves(experiment(**fields), "hit@1", run_store, REGISTRY)


def test_a_curve_is_of_one_kind_of_candidates(filled: RunStore) -> None:
    with pytest.raises(BenchError, match="several kinds of candidates"):
        learning_curves(experiment(candidates=("sampled", "full")), "hit@1", filled, REGISTRY)
