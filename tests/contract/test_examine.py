from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.contract.checks import CHECKS, highest_by_chance
from bench.contract.examine import Outcome, check_method
from bench.errors import BenchError
from bench.lm.backbones import packaged_minilm
from tests.support.broken_methods import ColdOnly, broken_methods_installed


@pytest.fixture(scope="module", autouse=True)
def _methods() -> Iterator[None]:
    with broken_methods_installed():
        yield


def outcomes(method: str, **params: object) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in check_method(method, params)}


def named(found: dict[str, Outcome], status: str) -> set[str]:
    return {name for name, outcome in found.items() if outcome.status == status}


def test_a_recommender_that_keeps_to_the_contract_passes_every_check() -> None:
    found = outcomes("neighbors")
    assert list(found) == list(CHECKS)
    assert named(found, "ok") == set(CHECKS)
    assert "NDCG@1 1.000" in found["learns"].detail
    assert "all 200 queries" in found["no peeking"].detail


@pytest.mark.parametrize(
    ("method", "failed", "reason"),
    [
        ("in-order", "candidate order", "scores change with the candidates' order (by up to 0.29"),
        ("restless", "same seed", "two fits with one seed score differently; draw from task.seed alone"),
        ("crowd-follower", "query alone", "a query's scores depend on which other queries are asked"),
        ("scribbler", "inputs", "the training part are not as they were"),
        ("absent-minded", "same store", "what it reads back scores differently from what it stored"),
        ("mute", "cold rule", "@register states no cold_rule"),
        ("boaster", "report", "Method 'boaster' returned a report that cannot be saved as JSON"),
        ("ignorant", "learns", "expected 0.25 or more (chance 0.033)"),
        ("hooked", "no peeking", "scores change with the test answers, which it must not know"),
        ("rummager", "no peeking", "scores change with the test answers, which it must not know"),
        ("burglar", "no peeking", "scores change with the test answers, which it must not know"),
    ],
)
def test_what_is_broken_fails_its_check_with_the_reason(method: str, failed: str, reason: str) -> None:
    found = outcomes(method)
    assert found[failed].status == "failed"
    assert reason in found[failed].detail


@pytest.mark.parametrize("method", ["in-order", "crowd-follower", "absent-minded", "mute", "boaster", "ignorant"])
def test_one_fault_fails_one_check(method: str) -> None:
    assert len(named(outcomes(method), "failed")) == 1


@pytest.mark.parametrize("method", ["hooked", "burglar"])
def test_who_peeks_is_above_chance_on_random_histories(method: str) -> None:
    assert "NDCG@1 1.000 on random histories" in outcomes(method)["shuffled"].detail


def test_nan_is_refused_and_nothing_else_is_checked() -> None:
    found = outcomes("not-a-number")
    assert named(found, "failed") == {"scores"}
    assert "Method 'not-a-number' returned NaN for 200 of 200 queries" in found["scores"].detail
    assert named(found, "skipped") == set(CHECKS) - {"fit", "scores"}
    assert found["learns"].detail == "the check 'scores' failed"


def test_an_exception_is_told_with_the_line_of_the_recommenders_own_file() -> None:
    found = outcomes("clumsy")
    assert named(found, "failed") == {"fit"}
    assert found["fit"].detail.startswith("ZeroDivisionError: by nothing (broken_methods.py, line ")
    assert named(found, "skipped") == set(CHECKS) - {"fit"}


def test_what_the_user_has_to_mend_is_no_failed_check() -> None:
    with pytest.raises(BenchError, match=r"There is no model 'big'\. Use --backbone small\."):
        outcomes("demanding")


def test_parameters_are_taken() -> None:
    assert named(outcomes("adjustable"), "failed") == {"learns"}
    assert named(outcomes("adjustable", learns=True), "failed") == set()
    with pytest.raises(BenchError, match=r"no parameter 'learn'\. Did you mean learns"):
        outcomes("adjustable", learn=True)


def test_a_control_need_not_learn_unless_it_reads_titles() -> None:
    found = outcomes("popularity")
    assert found["learns"] == Outcome(
        "learns", "skipped", "a control that reads no titles need not learn anyone's taste"
    )
    assert named(found, "ok") == set(CHECKS) - {"learns"}


def test_a_method_without_the_warm_setting_is_checked_in_its_own() -> None:
    assert "candidate order" in named(outcomes("cold-only"), "ok")
    assert set(ColdOnly.settings_seen) == {"cold"}


def test_who_is_handed_the_answers_cannot_be_checked() -> None:
    with pytest.raises(BenchError, match="Method 'oracle' receives the answers"):
        outcomes("oracle")


def test_an_unknown_method_says_which_are_near() -> None:
    with pytest.raises(BenchError, match=r"Unknown method 'neighbours'\. Did you mean neighbors"):
        outcomes("neighbours")


@pytest.mark.parametrize("method", ["bpr", "text-knn"])
def test_the_houses_own_methods_keep_to_the_contract(method: str) -> None:
    if method == "text-knn" and packaged_minilm() is None:
        pytest.skip("the minilm extra is not installed")
    assert named(outcomes(method), "ok") == set(CHECKS)


def test_the_contract_holds_for_other_numbers_of_negatives() -> None:
    found = {outcome.name: outcome for outcome in check_method("bpr", n_negatives=9)}
    assert {outcome.status for outcome in found.values()} == {"ok"}
    assert "× 10 candidates" in found["scores"].detail
    assert "(chance 0.100)" in found["learns"].detail


@pytest.mark.parametrize(("n_queries", "highest"), [(1, 1.0), (200, 18 / 200)])
def test_the_highest_ndcg_by_chance_is_the_binomials_tail(n_queries: int, highest: float) -> None:
    assert highest_by_chance(n_queries) == pytest.approx(highest)


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("neighbors", "ok", "it reports no training"),
        ("bpr", "ok", "when training on the toy data ended, "),
        ("secretive", "warning", "it takes optimizer steps and reports no validation curve, so that tables mark it"),
        ("unchecked", "warning", "it trains and reports no validation curve"),
    ],
)
def test_what_trains_should_say_whether_it_converged(method: str, status: str, reason: str) -> None:
    found = outcomes(method)
    assert found["convergence"].status == status
    assert reason in found["convergence"].detail
    assert named(found, "failed") == set()
