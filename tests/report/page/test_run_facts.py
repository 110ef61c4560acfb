from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.plugin import AdapterReport, FitReport, MergeReport, TrainingReport
from bench.report.page.run_facts import curves, fit_facts, merge_weights, run_facts, training_seconds
from bench.runs.record import RunRecord
from tests.support.fit_reports import LEARNED, MERGED

Save = Callable[..., RunRecord]


def test_each_learning_curve_has_the_step_that_was_kept() -> None:
    found = {curve.title: curve for curve in curves(LEARNED)}
    assert list(found) == ["Validation NDCG@3", "Training loss"]
    assert found["Validation NDCG@3"].lines == ((0.1, 0.2, 0.3, 0.25),)
    assert (found["Validation NDCG@3"].kept, found["Training loss"].kept) == (2, None)


def test_an_adapters_curves_carry_its_name_and_the_weights_path_has_a_line_each() -> None:
    found = {curve.title: curve for curve in curves(MERGED)}
    assert found["Loss on held-out examples, adapter general"].kept == 1
    assert found["Loss on held-out examples, adapter general"].first_step == 0
    assert found["Training loss, adapter specific"].lines == ((2.0, 1.2),)
    path = found["Weights λ, step by step"]
    assert (path.names, path.lines) == (("general", "specific"), ((0.5, 0.25), (0.5, 0.75)))


def test_a_stages_curves_carry_its_name() -> None:
    stage = TrainingReport(epochs=2, curves={"losses": (2.0, 1.0)})
    assert [curve.title for curve in curves(FitReport(stages={"pretraining": stage}))] == ["Training loss, pretraining"]


def test_validation_by_weight_is_a_curve_over_the_weights() -> None:
    merge = MergeReport({"target": 0.1, "one": 0.9}, chosen=0.1, validation=((0.5, 0.2), (0.1, 0.3)))
    (curve,) = curves(FitReport(merge=merge))
    assert (curve.steps, curve.lines) == ((0.1, 0.5), ((0.3, 0.2),))


def test_entropy_by_weight_is_a_curve_and_its_range_a_fact() -> None:
    merge = MergeReport({"target": 0.5}, entropy_by_weight=((1.0, 2.5), (0.0, 2.0)), entropy_range_nats=0.5)
    (curve,) = curves(FitReport(merge=merge))
    assert (curve.title, curve.steps, curve.lines) == ("Entropy by target weight", (0.0, 1.0), ((2.0, 2.5),))
    assert fit_facts(FitReport(merge=merge))["entropy range nats"] == 0.5


def test_one_value_is_a_fact_and_no_curve() -> None:
    report = FitReport(
        training=TrainingReport(epochs=1, curves={"losses": (1.5,)}), adapters={"a": AdapterReport("0c", losses=(2.5,))}
    )
    assert list(curves(report)) == []
    assert fit_facts(report)["losses"] == "1.5"
    assert fit_facts(report)["adapters · a · losses"] == "2.5"


def test_what_else_is_stated_is_a_fact_whatever_it_is() -> None:
    stated = FitReport(extra={"layers": [4, 5], "flags": [True], "none": [], "no": None, "speed": 1.23456789})
    assert fit_facts(stated) == {"layers": "4, 5", "flags": "True", "speed": 1.2346}
    assert list(curves(stated)) == []


@pytest.mark.parametrize(
    ("report", "weights"), [(MERGED, {"general": 0.25, "specific": 0.75}), (LEARNED, {}), (FitReport(), {})]
)
def test_the_weights_of_merged_adapters_are_shown(report: FitReport, weights: dict[str, float]) -> None:
    assert merge_weights(report) == weights


def test_training_counts_what_was_found_trained(save_run: Save) -> None:
    pretrained = replace(LEARNED, stages={"pretraining": TrainingReport(seconds=100.0)})
    found = save_run("a", [0], seconds={"fit": 1.0}, fit=MERGED)
    trained = save_run("b", [0], seconds={"fit": 9.0}, fit=LEARNED)
    reused = save_run("c", [0], seconds={"fit": 1.0}, fit=pretrained)
    unknown = save_run("d", [0])
    seconds = [training_seconds(record) for record in (found, trained, reused, unknown)]
    assert seconds == [50.0, 9.0, 108.0, None]


def test_nothing_of_a_record_is_left_out(save_run: Save) -> None:
    fit = LEARNED.stating(example="one prefix", shortcuts={"cuts_padding": True}, domains=["a", "b"], no=None)
    record = save_run("sasrec", [0], fit=fit, overrides={"layers": 3}, notes=["n"], warnings=["w"])
    facts = run_facts(record, "board", 0)
    assert (facts.cold_rule, facts.deviations) == ("embedding as initialized", ("Stops early.",))
    assert (facts.notes, facts.warnings, facts.overrides, facts.variant) == (("n",), ("w",), ("layers",), "layers=3")
    expected = {
        "example": "one prefix",
        "shortcuts · cuts padding": True,
        "domains": "a, b",
        "best epoch": 3,
        "seconds per epoch": 2.0,
        "trained parameters": 1000,
    }
    assert expected.items() <= facts.facts.items()
    assert "losses" not in facts.facts
    assert "no" not in facts.facts


def test_an_adapters_validation_is_a_curve_over_epochs_and_its_end_a_fact() -> None:
    adapter = AdapterReport(
        "0d", n_steps=9, validation=(0.1, 0.3, 0.2), epoch_of_check=(0.0, 0.5, 1.0), best_check=1, ended="budget"
    )
    report = FitReport(adapters={"target": adapter})
    (curve,) = curves(report)
    assert (curve.title, curve.steps, curve.kept) == ("Validation NDCG@3, adapter target", (0.0, 0.5, 1.0), 1)
    facts = fit_facts(report)
    assert facts["adapters · target · training ended"] == "budget"
    assert not any("validation" in name or "epoch of check" in name for name in facts)


def test_validation_measured_before_training_and_of_the_kept_state_is_drawn_at_their_epochs() -> None:
    adapter = AdapterReport(
        "0d",
        n_steps=9,
        validation=(0.1, 0.3),
        slice_losses=(3.0, 2.0, 1.5, 1.6),
        epoch_of_check=(0.0, 0.5, 1.0, 1.5),
        best_check=2,
    )
    validation, losses = curves(FitReport(adapters={"target": adapter}))
    assert (validation.steps, validation.kept) == ((0.0, 1.0), 1)
    assert (losses.title, losses.steps, losses.kept) == (
        "Loss on held-out examples, adapter target",
        (0.0, 0.5, 1.0, 1.5),
        2,
    )


def test_an_older_report_without_epochs_has_its_checks_numbered() -> None:
    (curve,) = curves(FitReport(adapters={"target": AdapterReport("0d", validation=(0.1, 0.3, 0.2), best_check=1)}))
    assert (curve.steps, curve.kept) == (None, 1)


def test_a_training_checked_within_epochs_keeps_the_check_nearest_to_its_best_epoch() -> None:
    curve = {"validation_ndcg@3": (0.1, 0.3, 0.2)}
    training = TrainingReport(epochs=1.5, best_epoch=0.667, curves=curve, epoch_of_check=(0.0, 0.666667, 1.333333))
    (drawn,) = curves(FitReport(training=training))
    assert (drawn.kept, drawn.steps) == (1, (0.0, 0.66667, 1.33333))


def test_a_run_says_why_its_training_ended(save_run: Save) -> None:
    trained = save_run("bpr", [0], fit=FitReport(training=TrainingReport(epochs=2, ended="rising")))
    assert run_facts(trained, "", 0).ended == "rising"
    assert run_facts(save_run("random", [0]), "", 0).ended == ""
