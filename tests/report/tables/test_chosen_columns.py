from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset
from bench.report.tables.chosen_columns import with_columns

EXPERIMENT = Experiment(
    name="small",
    caption="",
    rows=(),
    datasets=(ExperimentDataset("beauty", "Beauty & more"), ExperimentDataset("toys", "Toys")),
    settings=("warm", "cold"),
    metrics=("ndcg@1", "ndcg@3"),
    candidates=("sampled", "full"),
)


def test_columns_are_chosen_in_the_given_order_and_other_kinds_stay() -> None:
    found = with_columns(EXPERIMENT, ["Toys", "beauty & MORE", "MRR@5", "ndcg@3", "cold"])
    assert [dataset.name for dataset in found.datasets] == ["toys", "beauty"]
    assert (found.metrics, found.settings) == (("mrr@5", "ndcg@3"), ("cold",))
    assert found.candidates == EXPERIMENT.candidates
    assert with_columns(EXPERIMENT, ["full"]).candidates == ("full",)


def test_no_names_and_repeated_names_change_nothing() -> None:
    assert with_columns(EXPERIMENT, []) == EXPERIMENT
    assert with_columns(EXPERIMENT, ["ndcg@1", "ndcg@1", "ndcg@3"]) == EXPERIMENT


def test_an_unknown_column_is_refused_with_the_near_one() -> None:
    with pytest.raises(BenchError, match=r"--columns toyz: table 'small' has no such column. Did you mean toys\?"):
        with_columns(EXPERIMENT, ["toyz"])


def test_columns_of_statistics_are_their_names() -> None:
    statistics = Experiment(
        name="counts", caption="", rows=(), datasets=EXPERIMENT.datasets, settings=(), metrics=(),
        statistics=("users", "items"),
    )  # fmt: skip
    assert with_columns(statistics, ["items"]).statistics == ("items",)
    with pytest.raises(BenchError, match=r"--columns ndcg@1: table 'counts' has no such column"):
        with_columns(statistics, ["ndcg@1"])
