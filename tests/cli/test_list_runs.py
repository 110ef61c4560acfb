from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bench.files.folders import Folders
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


@pytest.fixture
def ids(bench: Bench) -> dict[str, str]:
    """The ids of two stored runs by method."""
    return {
        method: json.loads(bench("run", "--method", method, "--dataset", "shop", "--json").stdout)["id"]
        for method in ("random", "popularity")
    }


def test_runs_are_listed_with_the_metrics_that_bench_run_printed(bench: Bench, ids: dict[str, str]) -> None:
    rows = json.loads(bench("list", "runs", "--json", "--sort", "method").stdout)
    assert [(row["method"], row["id"]) for row in rows] == sorted(ids.items())
    for row in rows:
        record = json.loads(bench("run", "--method", row["method"], "--dataset", "shop", "--json").stdout)
        assert row["ndcg@3"] == record["metrics"]["ndcg@3"]["value"]
    lines = bench("list", "runs", "--sort", "method").stdout.splitlines()
    assert lines[0].split()[:3] == ["id", "method", "dataset"]
    assert [line.split()[0] for line in lines[1:]] == [row["id"] for row in rows]


def test_ids_alone_are_printed_for_other_commands(bench: Bench, ids: dict[str, str]) -> None:
    assert bench("list", "runs", "--ids", "--method", "random") == Outcome(0, f"{ids['random']}\n", "")
    assert bench("list", "runs", "--ids", "--method", "bpr").stdout == ""
    assert "--ids prints only the ids" in bench("list", "runs", "--ids", "--json").mistake


def test_where_nothing_matches_this_is_said_and_json_is_an_empty_list(bench: Bench, folders: Folders) -> None:
    outcome = bench("list", "runs", "--setting", "cold")
    assert outcome == Outcome(0, "", f"No runs in {folders.results_dir} match.\n")
    assert json.loads(bench("list", "runs", "--json").stdout) == []
    assert not folders.results_dir.exists()


def test_columns_may_be_parameters_by_any_name(bench: Bench) -> None:
    bench("run", "--method", "bpr", "--dataset", "shop", "-p", "lr=0.01", "-p", "epochs=1", "--device", "cpu")
    outcome = bench("list", "runs", "--columns", "method,lr,epochs", "-p", "learning_rate=1e-2", "--json")
    assert json.loads(outcome.stdout) == [{"method": "bpr", "lr": 0.01, "epochs": 1}]


def test_an_unknown_kind_is_an_error_with_near_names(bench: Bench) -> None:
    assert bench("list", "runz").mistake == (
        "Unknown subcommand of 'bench list' 'runz'. Did you mean runs? See 'bench list --help'."
    )
