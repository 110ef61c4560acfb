from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.lm.prompts.paraphrases import PARAPHRASES
from bench.lm.prompts.shared import shared_prompt
from tests.support.broken_methods import broken_methods_installed
from tests.support.command_line import Outcome
from tests.support.shop_toy import write_shop

Bench = Callable[..., Outcome]
LIKELIEST = "Most likely next:"
"""Words of the prompt that a run is made with."""


@pytest.fixture(autouse=True)
def _methods() -> Iterator[None]:
    with broken_methods_installed():
        yield


def carried_out(bench: Bench, *words: str) -> None:
    assert bench("run", "--dataset", "shop", "--device", "cpu", "--method", *words).code == 0


def test_cost_popularity_and_seeds_are_told(bench: Bench) -> None:
    for words in (["popularity"], ["random"], ["random", "--seed", "1"]):
        carried_out(bench, *words)
    tokens = ("popularity@shop@warm", "random@shop@warm@seed0", "random@shop@warm@seed1")
    outcome = bench("diagnose", *tokens)
    assert (outcome.code, outcome.stderr) == (0, "")
    costs, groups, seeds = (part.splitlines() for part in outcome.stdout.strip().split("\n\n"))
    assert costs[0].split("  ")[0] == "run"
    assert [line.split()[0] for line in costs[1:]] == ["popularity@shop@warm@seed0", *tokens[1:]]
    assert len(groups) > 3 * 2
    assert seeds[1].split()[:3] == ["random@shop@warm@seed0", "seeds", "2"]
    assert outcome.stdout == bench("diagnose", *tokens).stdout


def test_a_training_is_told_with_its_end_and_what_its_second_half_gained(bench: Bench) -> None:
    carried_out(bench, "bpr", "-p", "epochs=4", "-p", "patience=4", "-p", "dimensions=4")
    shown = bench("diagnose", "bpr@shop@warm").stdout.split("\n\n")[1].splitlines()
    (training,) = json.loads(bench("diagnose", "bpr@shop@warm", "--json").stdout)["runs"][0]["trainings"]
    assert (training["name"], training["epochs"]) == ("model", 4)
    epochs, values = ("4", str(training["best_epoch"])), (f"{training['validation']:.4f}", f"{training['gain']:+.4f}")
    assert shown[1].split() == ["bpr@shop@warm@seed0", "model", training["ended"], *epochs, *values]


def test_json_says_that_popularity_prefers_the_popular(bench: Bench) -> None:
    for method in ("popularity", "random"):
        carried_out(bench, method)
    facts = json.loads(bench("diagnose", "popularity@shop@warm", "random@shop@warm", "--json").stdout)
    popular, chance = facts["runs"]
    assert facts["metric"] == "ndcg@3"
    assert popular["popularity"]["positive"] == chance["popularity"]["positive"]
    assert popular["popularity"]["ratio"] > 1.2
    assert popular["popularity"]["top"] > chance["popularity"]["top"]
    values = [group["value"] for group in popular["by_popularity"]]
    assert values[0] == 0 < values[-1]
    assert sum(group["n_queries"] for group in popular["by_popularity"]) == 80
    assert popular["efficiency"]["peak_memory_bytes"] > 1e7
    assert facts["stability"] == []


def test_a_run_that_is_given_twice_is_no_second_seed(bench: Bench) -> None:
    carried_out(bench, "popularity")
    assert json.loads(bench("diagnose", *["popularity@shop@warm"] * 2, "--json").stdout)["stability"] == []


@pytest.mark.parametrize(("method", "flips"), [("neighbors", False), ("in-order", True)])
def test_permuted_candidates_move_only_who_looks_at_their_order(
    bench: Bench, folders: Folders, method: str, flips: bool
) -> None:
    carried_out(bench, method)
    words = ("--permutations", "3", "--queries", "50", "--device", "cpu", "--json")
    said = json.loads(bench("diagnose", f"{method}@shop@warm", *words).stdout)
    (found,) = said["stability"]
    assert (found["over"], len(found["values"])) == ("candidate order", 4)
    assert (found["flip_rate"] > 0) == flips
    assert flips or found["spread"] == pytest.approx(0, abs=1e-12)
    (run_,) = said["runs"]
    (kept,) = json.loads((folders.results_dir / "runs" / run_["id"] / "stability.json").read_text())["asked"]
    assert (kept["over"], kept["n_queries"], kept["stability"]["flip_rate"]) == (
        "candidate order",
        50,
        found["flip_rate"],
    )


def test_a_decoder_is_asked_in_other_words(bench: Bench, pico_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def recorded(*words: Any) -> str:
        text = shared_prompt(*words)
        if words[0] not in ([], ["a", "b"]):  # these are the examples whose wording is hashed
            asked.append(text)
        return text

    carried_out(bench, "zeroshot", "--backbone", str(pico_folder), "--limit-queries", "12")
    words = ("--paraphrases", "2", "--permutations", "1", "--queries", "12", "--device", "cpu", "--json")
    monkeypatch.setattr("bench.lm.prompts.shared.shared_prompt", recorded)
    orders, paraphrases = json.loads(bench("diagnose", "zeroshot@shop@warm", *words).stdout)["stability"]
    assert (orders["over"], paraphrases["over"], len(paraphrases["values"])) == ("candidate order", "paraphrases", 3)
    assert orders["values"][0] == paraphrases["values"][0]
    assert 0 <= paraphrases["flip_rate"] <= 1
    times_asked = [sum(words in prompt for prompt in asked) for words in (LIKELIEST, *(p.request for p in PARAPHRASES))]
    assert times_asked == [12 * 2, 12, 12, 0]  # the run's own words: in stored order, and permuted


def test_a_method_without_a_prompt_has_no_other_words(bench: Bench) -> None:
    carried_out(bench, "popularity")
    outcome = bench("diagnose", "popularity@shop@warm", "--paraphrases", "2", "--device", "cpu")
    assert outcome.code == 2
    assert "does not use the shared prompt" in outcome.stderr


def test_there_are_as_many_paraphrases_as_were_written(bench: Bench, pico_folder: Path) -> None:
    carried_out(bench, "zeroshot", "--backbone", str(pico_folder), "--limit-queries", "3")
    outcome = bench("diagnose", "zeroshot@shop@warm", "--paraphrases", "9", "--device", "cpu")
    assert "--paraphrases must be at most 3, the number of available paraphrases, not 9." in outcome.stderr


def test_a_run_from_before_tops_were_stored_says_how_to_redo_it(bench: Bench, folders: Folders) -> None:
    import pyarrow.parquet as pq

    carried_out(bench, "popularity")
    (path,) = folders.results_dir.rglob("ranks-*.parquet")
    pq.write_table(pq.read_table(path, columns=["query", "better", "tied"]), path.with_name("ranks.parquet"))
    path.unlink()
    record = json.loads(path.with_name("run.json").read_text())
    path.with_name("run.json").write_text(json.dumps({**record, "schema_version": 2, "ranks_sha256": ""}))
    outcome = bench("diagnose", "popularity@shop@warm")
    assert outcome.code == 0
    assert "run it again with --rescore" in outcome.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["popularty@shop@warm"], "No run 'popularty@shop@warm'"),
        (["popularity@shop@warm", "--metric", "ndgc@3"], "Unknown metric 'ndgc@3'; expected ndcg@k"),
        ([], "Missing argument 'RUN...'. See 'bench diagnose --help'."),
        (["oracle@shop@warm", "--permutations", "2"], "Method 'oracle' receives the answers"),
    ],
)
def test_a_mistake_is_answered_with_one_line(bench: Bench, words: list[str], message: str) -> None:
    for method in ("popularity", "oracle"):
        carried_out(bench, method)
    assert message in bench("diagnose", *words).mistake


def test_candidates_that_are_no_longer_those_of_the_run_are_refused(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out(bench, "popularity")
    write_shop(tmp_path / "other", seed=1)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "other"))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    outcome = bench("diagnose", "popularity@shop@warm", "--permutations", "1", "--device", "cpu")
    assert outcome.code == 2
    assert "The data of 'shop' has changed since run" in outcome.stderr
