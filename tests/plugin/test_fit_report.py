from __future__ import annotations

import json

import pytest

from bench.plugin import AdapterReport, FitReport, MergeReport, PromptReport, TrainingReport
from bench.plugin.fit_report import worst_ending
from tests.support.fit_reports import LEARNED, MERGED

FULL = FitReport(
    trained_parameters=3,
    training=TrainingReport(("a",), 10, 1.5, 2, 1, {"losses": (2.0, 1.0)}),
    stages={"pretraining": TrainingReport(seconds=0.5)},
    adapters={"target": AdapterReport("0a", ("a", "b"), 5, 1, 2.0, (3.0,), (4.0, 3.0), 1)},
    merge=MergeReport({"target": 0.5, "one": 0.5}, 0.5, ((0.5, 0.5),), (1.0,), ((0.5, 0.1),), ((0.5, 2.0),), 0.0),
    training_prompts=PromptReport(4, 20.5, 0.9),
    cold_rule="title text",
    deviations=("One.", "Two."),
    extra={"lists": {"n": 3}, "layers": [1, 2], "nothing": None},
)


@pytest.mark.parametrize("report", [FitReport(), LEARNED, MERGED, FULL])
def test_a_report_reads_back_from_json_as_it_was(report: FitReport) -> None:
    assert FitReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_stating_more_keeps_what_was_stated() -> None:
    stated = FULL.stating(layers=[3], speed=2.0)
    assert stated.extra == {"lists": {"n": 3}, "layers": [3], "nothing": None, "speed": 2.0}
    assert stated.adapters == FULL.adapters
    assert FULL.extra["layers"] == [1, 2]


CONVERGED, RISING = TrainingReport(epochs=9, ended="converged"), TrainingReport(epochs=2, ended="rising")
UNCHECKED, UNTRAINED = TrainingReport(epochs=5), TrainingReport(epochs=0)


@pytest.mark.parametrize(
    ("report", "ended"),
    [
        (FitReport(), None),
        (FitReport(training=UNTRAINED), None),
        (FitReport(adapters={"target": AdapterReport("0a")}), None),
        (FitReport(training=CONVERGED), "converged"),
        (FitReport(training=CONVERGED, stages={"first": RISING}), "rising"),
        (FitReport(training=CONVERGED, adapters={"a": AdapterReport("0a", n_steps=9, ended="budget")}), "budget"),
        (FitReport(training=RISING, adapters={"a": AdapterReport("0a", n_steps=9)}), "unknown"),
    ],
)
def test_a_fit_ended_as_the_worst_of_what_was_trained(report: FitReport, ended: str | None) -> None:
    assert report.ended == ended


def test_a_stage_that_nothing_checked_counts_only_where_nothing_follows_it() -> None:
    followed = FitReport(training=CONVERGED, stages={"pretraining": UNCHECKED, "skipped": UNTRAINED})
    assert (followed.ended, followed.unchecked_stages) == ("converged", ("pretraining",))
    assert FitReport(training=UNTRAINED, stages={"pretraining": UNCHECKED}).ended == "unknown"


def test_of_several_endings_the_worst_counts_and_none_of_what_trains_nothing() -> None:
    assert worst_ending(["converged", None, "budget"]) == "budget"
    assert worst_ending([None]) is None
