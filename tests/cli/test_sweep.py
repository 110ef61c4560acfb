from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.runs.store import RunStore
from tests.support.command_line import Outcome
from tests.support.fake_methods import know_fakes

Bench = Callable[..., Outcome]
SHOP = ("run", "--dataset", "shop", "--device", "cpu")


@pytest.fixture
def bench_with_fakes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    know_fakes(monkeypatch)
    return bench


def test_every_combination_is_a_row_of_one_table_and_a_stored_run(bench: Bench, folders: Folders) -> None:
    outcome = bench(*SHOP, "--methods", "Random,popularity", "--seeds", "0,1")
    assert outcome.code == 0
    title, head, _, *rows = outcome.stdout.splitlines()
    assert title == "shop warm · 4 runs"
    assert head.split() == ["method", "seed", "ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "mrr@5", "run"]
    assert [row.split()[:2] for row in rows] == [
        ["random", "0"],
        ["random", "1"],
        ["popularity", "0"],
        ["popularity", "1"],
    ]
    assert {row.split()[-1] for row in rows} == set(RunStore(folders.results_dir).ids())
    assert "4 runs, 0 stored, 4 to do" in outcome.stderr
    assert "[4/4] popularity seed 1 on shop warm" in outcome.stderr
    assert "4 runs, 4 stored, 0 to do" in bench(*SHOP, "--methods", "random,popularity", "--seeds", "0,1").stderr


def test_json_is_a_list_even_of_one_run(bench: Bench) -> None:
    (record,) = json.loads(bench(*SHOP, "--method", "random", "--seeds", "3", "--json").stdout)
    assert (record["spec"]["method"], record["spec"]["seed"]) == ("random", 3)


def test_values_of_a_parameter_are_columns(bench: Bench) -> None:
    outcome = bench(*SHOP, "--method", "bpr", "-p", "lr=0.1,0.2", "-p", "epochs=1")
    rows = [line.split() for line in outcome.stdout.splitlines()[1:]]
    assert rows[0][:4] == ["method", "lr", "epochs", "seed"]
    assert [row[1:3] for row in rows[2:]] == [["0.1", "1"], ["0.2", "1"]]


@pytest.mark.parametrize(("method", "said"), [("undecided", "returned NaN for 3 of 80"), ("broken", "boom")])
def test_a_run_that_fails_does_not_lose_the_others_and_is_reported_at_the_end(
    bench_with_fakes: Bench, folders: Folders, monkeypatch: pytest.MonkeyPatch, method: str, said: str
) -> None:
    if method == "broken":
        method = "constant"
        usual: Any = __import__("bench.api.runs", fromlist=["carried_out"]).carried_out

        def carried_out(request: Any, *arguments: Any, **options: Any) -> Any:
            if request.method == "constant":
                raise RuntimeError("boom")
            return usual(request, *arguments, **options)

        monkeypatch.setattr("bench.api.runs.carried_out", carried_out)
    outcome = bench_with_fakes(*SHOP, "--methods", f"random,{method},popularity")
    assert outcome.code == 2
    rows = [line.split() for line in outcome.stdout.splitlines()[3:]]
    assert [(row[0], row[-1] == "failed") for row in rows] == [("random", False), (method, True), ("popularity", False)]
    assert len(RunStore(folders.results_dir).ids()) == 2
    *_, error, detail = outcome.stderr.splitlines()
    assert error.startswith("Error: 1 of 3 runs failed. The others are stored")
    assert detail.startswith(f"{method} seed 0: ")
    assert said in detail


def test_a_wrong_name_is_found_before_anything_is_run(bench: Bench, folders: Folders) -> None:
    assert "Unknown method 'popularty'" in bench(*SHOP, "--methods", "random,popularty").mistake
    assert "has no parameter 'epochs'" in bench(*SHOP, "--methods", "bpr,random", "-p", "epochs=1,2").mistake
    assert not folders.results_dir.exists()


def test_what_is_forced_is_done_again(bench: Bench) -> None:
    words = (*SHOP, "--methods", "random,popularity")
    bench(*words)
    outcome = bench(*words, "--force")
    assert outcome.code == 0
    assert "reusing stored run" not in outcome.stderr
    assert "2 runs to repeat" in outcome.stderr
