from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.plugin import AdapterReport, FitReport, MergeReport, PromptReport, TrainingReport
from bench.runs.older_records import fit_report_of
from bench.runs.record import RunRecord

COURSE = {"epochs": 2, "best_epoch": 1, "validation_ndcg@3": [0.3, 0.2], "losses": [3.0, 2.0], "seconds_per_epoch": 1.5}
TRAINING = TrainingReport(
    seconds=3.0, epochs=2, best_epoch=1, curves={"validation_ndcg@3": (0.3, 0.2), "losses": (3.0, 2.0)}
)
TRAINED = {"hash": "0a", "domains": ["a"], "n_examples": 9, "n_steps": 3, "seconds": 4.0, "losses": [2.0]}
ADAPTER = {**TRAINED, "slice_losses": [3.0, 1.0], "best_check": 1}
REPORTED = AdapterReport("0a", ("a",), 9, 3, 4.0, (2.0,), (3.0, 1.0), 1)


def test_a_trained_model() -> None:
    details = {"cold_rule": "zero", "parameters": 7, **COURSE, "deviations": ["Stops early."], "example": "a prefix"}
    assert fit_report_of(details) == FitReport(
        7, TRAINING, cold_rule="zero", deviations=("Stops early.",), extra={"example": "a prefix"}
    )


@pytest.mark.parametrize(
    ("pretraining", "stage"),
    [
        (
            {"examples": 20, "sources": ["a"], "loss": 4.0, "seconds": 6.0},
            TrainingReport(("a",), 20, 6.0, curves={"losses": (4.0,)}),
        ),
        (
            {"epochs": 2, "losses": [5.0, 4.0], "seconds_per_epoch": 0.5, "sources": ["a", "b"]},
            TrainingReport(("a", "b"), None, 1.0, 2, None, {"losses": (5.0, 4.0)}),
        ),
    ],
)
def test_a_pretrained_model(pretraining: dict[str, Any], stage: TrainingReport) -> None:
    details = {"parameters": 9, "trained_parameters": 7, **COURSE, "pretraining": pretraining}
    assert fit_report_of(details) == FitReport(7, TRAINING, {"pretraining": stage}, extra={"parameters": 9})


def test_adapters_by_role_and_one_without_a_role() -> None:
    details = {"scored_by": "cosine", "n_trained_parameters": 5}
    by_role = fit_report_of({**details, "adapters": {"general": ADAPTER}})
    alone = fit_report_of({**details, "adapter": {**ADAPTER, "domains": ["a", "b"]}})
    assert by_role == FitReport(5, adapters={"general": REPORTED}, extra={"scored_by": "cosine"})
    assert list(alone.adapters) == ["a + b"]


def test_an_integration_of_adapters() -> None:
    prompts = {"n_users": 3, "mean_tokens": 9.5, "diversity": 0.5}
    details = {"n_trained_parameters": 9, "parameters": 4, "adapters": {"a": ADAPTER}, "training_prompts": prompts}
    report = fit_report_of({**details, **COURSE, "chosen_sources": ["a"]})
    assert (report.trained_parameters, report.training) == (9, TRAINING)
    assert report.training_prompts == PromptReport(3, 9.5, 0.5)
    assert report.extra == {"parameters": 4, "chosen_sources": ["a"]}


@pytest.mark.parametrize(
    ("stated", "merge"),
    [
        (
            {"lambda_general": 0.25, "lambda_specific": 0.75, "entropy_curve": [2.0], "lambda_path": [[0.5, 0.5]]},
            MergeReport({"general": 0.25, "specific": 0.75}, 0.75, ((0.5, 0.5),), (2.0,)),
        ),
        ({"lambda_general": 0.5, "lambda_specific": 0.5}, MergeReport({"general": 0.5, "specific": 0.5})),
        (
            {"mean_weights": {"a": 0.5, "b": 0.25}, "entropy_curve": [2.0], "weights_path": [[0.5, 0.25]]},
            MergeReport({"a": 0.5, "b": 0.25}, None, ((0.5, 0.25),), (2.0,)),
        ),
        ({"target_weight": 0.5, "merging": "average"}, MergeReport({"a": 0.5, "b": 0.25, "c": 0.25})),
        (
            {"target_weight": 0.2, "merging": "average", "validation_ndcg@3_by_target_weight": [[0.2, 0.4]]},
            MergeReport({"a": 0.2, "b": 0.4, "c": 0.4}, 0.2, validation=((0.2, 0.4),)),
        ),
        ({"target_weight": 0.5, "merging": "ties"}, None),
        ({"target_weight": 1.0, "merging": None}, None),
        ({}, None),
    ],
)
def test_merge_weights_in_each_form(stated: dict[str, Any], merge: MergeReport | None) -> None:
    report = fit_report_of({"adapters": dict.fromkeys("abc", ADAPTER), **stated})
    assert report.merge == merge
    assert set(report.extra) <= {"merging"}


def test_one_adapter_has_all_the_weight() -> None:
    report = fit_report_of({"adapters": {"target": ADAPTER}, "target_weight": 1.0, "merging": "average"})
    assert report.merge == MergeReport({"target": 1.0})


def test_a_record_with_details_is_read_with_a_report(save_run: Any) -> None:
    saved = save_run("bpr", [0], fit=FitReport(7, replace(TRAINING, ended="budget"), cold_rule="zero"))
    fields = saved.to_json()
    del fields["fit"]
    assert RunRecord.from_json({**fields, "details": {"cold_rule": "zero", "parameters": 7, **COURSE}}) == saved


def without_endings(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a record as it was written before trainings said why they ended."""
    fit = fields["fit"]
    for training in [fit["training"], *fit["adapters"].values()]:
        if training is not None:
            del training["ended"]
    return fields


@pytest.mark.parametrize(
    ("method", "validation", "ended"),
    [
        ("sasrec", [0.1, 0.2], "rising"),
        ("sasrec", [0.2, *[0.1] * 5], "converged"),
        ("p5", [0.2, *[0.1] * 5], "budget"),  # its rate falls over all epochs
        ("sasrec", [], "unknown"),
    ],
)
def test_why_a_training_ended_is_read_off_its_curve(
    save_run: Any, method: str, validation: list[float], ended: str
) -> None:
    training = TrainingReport(epochs=9, curves={"validation_ndcg@3": tuple(validation)} if validation else {})
    fields = without_endings(save_run(method, [0], fit=FitReport(training=training)).to_json())
    assert RunRecord.from_json(fields).fit.ended == ended


@pytest.mark.parametrize(
    ("losses", "best", "ended"), [((3.0, 2.0), 1, "rising"), ((3.0, 1.0, 2.0), 1, "budget"), ((), None, "unknown")]
)
def test_an_adapter_whose_rate_fell_to_zero_never_converged(
    save_run: Any, losses: tuple[float, ...], best: int | None, ended: str
) -> None:
    adapter = AdapterReport("0a", n_steps=9, slice_losses=losses, best_check=best)
    fields = without_endings(save_run("lora", [0], fit=FitReport(adapters={"a": adapter})).to_json())
    assert RunRecord.from_json(fields).fit.adapters["a"].ended == ended


def test_what_a_record_states_itself_stays(save_run: Any) -> None:
    training = TrainingReport(epochs=3, curves={"validation_ndcg@3": (0.1, 0.2, 0.3)}, ended="budget")
    saved = save_run("bpr", [0], fit=FitReport(training=training))
    assert RunRecord.from_json(saved.to_json()).fit.ended == "budget"
