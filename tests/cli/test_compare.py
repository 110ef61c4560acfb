from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli.compare import compare
from bench.errors import BenchError
from bench.plugin import FitReport, TrainingReport
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


@pytest.fixture
def invoke(run_store: RunStore) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        return CliRunner().invoke(compare, [*words, "--results-dir", str(run_store.results_dir)])

    return run


def random_ranks(seed: int, highest: int) -> list[int]:
    return [int(rank) for rank in np.random.default_rng(seed).integers(0, highest, 200)]


def test_json_holds_all_tests_for_each_metric(invoke: Callable[..., Result], save_run: Save) -> None:
    better, worse = save_run("bpr", random_ranks(0, 3)), save_run("random", random_ranks(1, 30))
    result = invoke("bpr@beauty@warm", worse.id[:8], "--json")
    first, second = json.loads(result.stdout)
    assert (first["metric"], second["metric"]) == ("ndcg@1", "ndcg@3")
    assert first["mean_a"] == pytest.approx(better.metrics["ndcg@1"]["value"])
    assert first["difference"] == pytest.approx(first["mean_a"] - first["mean_b"])
    assert first["low"] < first["difference"] < first["high"]
    assert max(first["p_t"], first["p_wilcoxon"], first["p_permutation"]) < 0.001
    assert first["p_holm"] == pytest.approx(2 * min(first["p_t"], second["p_t"]), rel=1e-6) or first["p_holm"] < 1e-6
    assert (first["corrected_test"], first["family_size"]) == ("t-test", 2)
    assert first["wins"] + first["ties"] + first["losses"] == first["n"] == 200


def test_text_names_both_runs_and_every_figure(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", random_ranks(0, 3))
    save_run("random", random_ranks(1, 30))
    output = invoke("bpr@beauty@warm", "random@beauty@warm", "--metric", "hit@3", "--test", "wilcoxon").stdout
    for words in ("A: bpr@beauty@warm@seed0", "n = 200 users", "Hit@3", "Wilcoxon", "permutation", "95% CI"):
        assert words in output
    for words in ("wilcoxon, Holm-adjusted, 1 test", "Cohen's d", "wins / ties / losses", "detectable difference"):
        assert words in output
    assert "seeds" not in output


def test_different_candidates_are_refused_in_one_sentence(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", random_ranks(0, 3))
    save_run("random", random_ranks(1, 30), candidates_hash="another")
    result = invoke("bpr@beauty@warm", "random@beauty@warm")
    assert isinstance(result.exception, BenchError)
    assert "ranked different candidates (hash-beauty-warm and another)" in str(result.exception)
    assert "\n" not in str(result.exception)


def test_different_users_are_refused(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", [0, 1], users=[1, 2])
    save_run("random", [0, 1], users=[1, 3])
    result = invoke("bpr@beauty@warm", "random@beauty@warm")
    assert isinstance(result.exception, BenchError)
    assert "scored different users" in str(result.exception)


def test_a_run_against_itself_has_no_difference_and_no_warning(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", random_ranks(0, 3))
    first, _ = json.loads(invoke("bpr@beauty@warm", "bpr@beauty@warm", "--json").stdout)
    assert (first["difference"], first["p_t"], first["p_wilcoxon"], first["p_permutation"]) == (0.0, 1.0, 1.0, 1.0)


def test_an_unknown_run_names_near_ones(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", [0])
    result = invoke("brp@beauty@warm", "bpr@beauty@warm")
    assert isinstance(result.exception, BenchError)
    assert "Did you mean bpr@beauty@warm@seed0?" in str(result.exception)


def test_help_has_two_worked_examples(invoke: Callable[..., Result]) -> None:
    assert invoke("--help").stdout.count("\n    bench compare ") == 2


def test_several_seeds_are_compared_as_two_levels(invoke: Callable[..., Result], save_run: Save) -> None:
    for seed in (0, 1, 2):
        save_run("bpr", random_ranks(seed, 3), seed=seed)
    save_run("random", random_ranks(9, 30))
    first, _ = json.loads(invoke("bpr@beauty@warm", "random@beauty@warm", "--json").stdout)
    assert (first["n"], first["n_seeds_a"], first["n_seeds_b"]) == (200, 3, 1)
    output = invoke("bpr@beauty@warm", "random@beauty@warm").stdout
    assert "A: bpr@beauty@warm (3 seeds, " in output
    assert "bootstrap over users and seeds" in output
    assert "p (t-test on the means of seeds)" in output
    assert first["p_seeds"] < 0.05
    assert " ± " in output


def test_an_effect_says_how_it_reads(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", random_ranks(0, 3))
    save_run("random", random_ranks(1, 30))
    first, _ = json.loads(invoke("bpr@beauty@warm", "random@beauty@warm", "--json").stdout)
    assert first["effect"] in invoke("bpr@beauty@warm", "random@beauty@warm").stdout
    assert first["warning"] is None


def test_few_users_are_warned_of(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", random_ranks(0, 3)[:52], setting="cold", policy="natural")
    save_run("random", random_ranks(1, 30)[:52], setting="cold", policy="natural")
    output = invoke("bpr@beauty@cold", "random@beauty@cold").stdout
    assert "Warning (NDCG@1): only 52 users" in output


def test_a_side_that_was_not_trained_to_convergence_is_warned_of(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", random_ranks(1, 6), fit=FitReport(training=TrainingReport(epochs=2, ended="rising")))
    save_run("random", random_ranks(2, 9))
    told = invoke("bpr@beauty@warm", "random@beauty@warm").stdout
    assert "Warning: A was not trained to convergence (validation was still rising); it may score higher" in told
    assert "Warning: B" not in told
    (first, _) = json.loads(invoke("bpr@beauty@warm", "random@beauty@warm", "--json").stdout)
    assert (first["ended_a"], first["ended_b"]) == ("rising", None)
