from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.report.page.run_facts import curves, merge_weights, run_facts, training_seconds
from bench.runs.record import RunRecord
from tests.support.run_details import LEARNED, MERGED

Save = Callable[..., RunRecord]


def test_each_series_of_numbers_is_a_curve_with_the_step_that_was_kept() -> None:
    found = {curve.title: curve for curve in curves(LEARNED)}
    assert list(found) == ["Validation NDCG@3", "Training loss"]
    assert found["Validation NDCG@3"].lines == ((0.1, 0.2, 0.3, 0.25),)
    assert (found["Validation NDCG@3"].kept, found["Training loss"].kept) == (2, None)


def test_an_adapters_curves_carry_its_name_and_the_weights_path_has_a_line_each() -> None:
    found = {curve.title: curve for curve in curves(MERGED)}
    assert found["Loss on examples set aside, adapter general"].kept == 1
    assert found["Loss on examples set aside, adapter general"].first_step == 0
    assert found["Training loss, adapter specific"].lines == ((2.0, 1.2),)
    path = found["Weights λ, step by step"]
    assert (path.names, path.lines) == (("general", "specific"), ((0.5, 0.25), (0.5, 0.75)))


def test_pairs_of_where_and_what_are_a_curve_over_where() -> None:
    (curve,) = curves({"validation_ndcg@3_by_target_weight": [[0.5, 0.2], [0.1, 0.3]]})
    assert (curve.steps, curve.lines) == ((0.1, 0.5), ((0.3, 0.2),))


@pytest.mark.parametrize("details", [{}, {"losses": [1.0]}, {"sources": ["a", "b"]}, {"flags": [True, False]}])
def test_what_is_no_series_is_no_curve(details: dict[str, Any]) -> None:
    assert list(curves(details)) == []


@pytest.mark.parametrize(
    ("details", "weights"),
    [
        (MERGED, {"general": 0.25, "specific": 0.75}),
        ({"mean_weights": {"beauty": 0.5, "toys": 0.25}}, {"beauty": 0.5, "toys": 0.25}),
        (
            {"target_weight": 0.5, "merging": "average", "adapters": {"target": {}, "h1": {}, "h2": {}}},
            {"target": 0.5, "h1": 0.25, "h2": 0.25},
        ),
        ({"target_weight": 0.5, "merging": "ties", "adapters": {"target": {}, "h1": {}}}, {}),
        ({"target_weight": 1.0, "merging": "average", "adapters": {"target": {}}}, {"target": 1.0}),
        (LEARNED, {}),
    ],
)
def test_the_weights_of_merged_adapters_are_found(details: dict[str, Any], weights: dict[str, float]) -> None:
    assert merge_weights(details) == weights


def test_training_counts_what_was_found_trained(save_run: Save) -> None:
    found = save_run("a", [0], seconds={"fit": 1.0}, details=MERGED)
    trained = save_run("b", [0], seconds={"fit": 9.0}, details=LEARNED)
    reused = save_run("c", [0], seconds={"fit": 1.0}, details={**LEARNED, "pretraining": {"seconds": 100.0}})
    unknown = save_run("d", [0])
    seconds = [training_seconds(record) for record in (found, trained, reused, unknown)]
    assert seconds == [50.0, 9.0, 108.0, None]


def test_nothing_of_a_record_is_left_out(save_run: Save) -> None:
    details = {
        **LEARNED,
        "example": "one prefix",
        "shortcuts": {"cuts_padding": True},
        "domains": ["a", "b"],
        "no": None,
    }
    record = save_run("sasrec", [0], details=details, overrides={"layers": 3}, notes=["n"], warnings=["w"])
    facts = run_facts(record, "board", 0)
    assert (facts.cold_rule, facts.deviations) == ("embedding as initialised", ("Stops early.",))
    assert (facts.notes, facts.warnings, facts.overrides, facts.variant) == (("n",), ("w",), ("layers",), "layers=3")
    expected = {"example": "one prefix", "shortcuts · cuts padding": True, "domains": "a, b", "best epoch": 3}
    assert expected.items() <= facts.facts.items()
    assert "losses" not in facts.facts
    assert "no" not in facts.facts
