from __future__ import annotations

import pytest

from bench.diagnose.training import TrainingCourse, training_courses
from bench.plugin import AdapterReport, FitReport, TrainingReport


def test_each_training_is_named_with_its_end_and_what_doubling_gained() -> None:
    curves = {"validation_ndcg@3": (0.2, 0.25, 0.26, 0.24)}
    fit = FitReport(
        training=TrainingReport(epochs=4, best_epoch=3, curves=curves, ended="budget"),
        stages={"pretraining": TrainingReport(epochs=5)},
    )
    model, stage = training_courses(fit)
    assert model == TrainingCourse("model", "budget", 4, 3, 0.26, pytest.approx(0.01))
    assert stage == TrainingCourse("pretraining", "unknown", 5, None, None, None)


def test_an_adapters_epochs_are_those_of_its_checks() -> None:
    adapter = AdapterReport(
        "id",
        n_steps=9,
        best_check=2,
        validation=(0.1, 0.3, 0.4),
        epoch_of_check=(0.0, 0.5, 1.0),
        epochs=1.0,
        ended="rising",
    )
    (found,) = training_courses(FitReport(adapters={"target": adapter}))
    assert found == TrainingCourse("adapter target", "rising", 1.0, 1.0, 0.4, pytest.approx(0.1))


def test_without_a_metric_at_each_check_no_gain_is_known() -> None:
    adapter = AdapterReport(
        "id",
        n_steps=9,
        best_check=1,
        validation=(0.1, 0.3),
        slice_losses=(4.0, 3.0, 3.1),
        epoch_of_check=(0.0, 0.5, 1.0),
        epochs=1.0,
        ended="budget",
    )
    (found,) = training_courses(FitReport(adapters={"target": adapter}))
    assert found == TrainingCourse("adapter target", "budget", 1.0, 0.5, 0.3, None)


def test_what_took_no_step_is_left_out() -> None:
    fit = FitReport(training=TrainingReport(epochs=0), adapters={"source": AdapterReport("id")})
    assert list(training_courses(fit)) == []
