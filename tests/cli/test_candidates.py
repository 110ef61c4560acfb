from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.runs.tasks import Tasks
from bench.spec import ProtocolSpec
from tests.support.command_line import Outcome
from tests.support.shop_toy import N_ITEMS, N_USERS

Bench = Callable[..., Outcome]


def facts_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


def test_the_lists_are_counted(bench: Bench) -> None:
    facts = facts_of(bench("candidates", "shop", "--json"))
    assert (facts["dataset"], facts["setting"], facts["warnings"]) == ("shop", "warm", [])
    assert (facts["n_queries"], facts["n_validation_queries"], facts["n_cold_items"]) == (N_USERS, N_USERS, 0)
    cold = facts_of(bench("candidates", "shop", "--setting", "cold", "--json"))
    assert cold["n_cold_items"] == N_ITEMS // 10
    assert 0 < cold["n_queries"] < N_USERS
    assert cold["n_training_interactions"] < facts["n_training_interactions"]
    assert f"only {cold['n_queries']} cold queries" in cold["warnings"][0]


def test_the_text_says_the_same(bench: Bench) -> None:
    facts = facts_of(bench("candidates", "shop", "--json"))
    lines = bench("candidates", "shop").stdout.splitlines()
    assert f"candidates hash: {facts['candidates_hash']}" in lines
    assert f"n queries: {N_USERS}" in lines
    assert "warnings: none" in lines


def test_the_hash_is_that_of_the_runs(bench: Bench) -> None:
    facts = facts_of(bench("candidates", "shop", "--setting", "cold", "--json"))
    words = ("--method", "constant", "--dataset", "shop", "--setting", "cold", "--device", "cpu", "--json")
    assert facts_of(bench("run", *words))["candidates_hash"] == facts["candidates_hash"]


def test_the_same_lists_are_drawn_everywhere_and_others_for_another_seed(bench: Bench, tmp_path: Path) -> None:
    words = ("candidates", "shop", "--json")
    here, elsewhere = bench(*words), bench(*words, "--cache-dir", tmp_path / "cache")
    assert here.stdout == elsewhere.stdout
    other = bench(*words, "--protocol-seed", 1)
    assert facts_of(other)["candidates_hash"] != facts_of(here)["candidates_hash"]


def test_the_export_has_the_sources_ids_in_stored_order(bench: Bench, folders: Folders, tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "lists.csv"
    outcome = bench("candidates", "shop", "--export", path, "--json")
    assert facts_of(outcome)["n_queries"] == N_USERS
    assert f"Wrote {path}." in outcome.stderr
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    assert header == ["user_id", "positive", *(f"candidate_{number}" for number in range(1, 31))]
    prepared = Tasks(folders, lambda _line: None).prepared(ProtocolSpec("shop"))
    domain, last = prepared.domain, prepared.domain.indptr[1:] - 1
    assert [row[0] for row in rows] == domain.user_ids.tolist()
    assert [row[1] for row in rows] == domain.item_ids[domain.items[last]].tolist()
    assert [row[2:] for row in rows] == domain.item_ids[prepared.test.queries.candidates].tolist()
    assert all(row[1] in row[2:] and len(set(row[2:])) == 30 for row in rows)


def test_an_export_into_a_folder_is_a_mistake(bench: Bench, tmp_path: Path) -> None:
    assert "is a directory" in bench("candidates", "shop", "--export", tmp_path).mistake


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "'' is not a valid dataset name"),
        ("../shop", "'../shop' is not a valid dataset name"),
        ("beaty", "Unknown dataset 'beaty'"),
    ],
)
def test_a_name_that_is_no_dataset_is_a_mistake(bench: Bench, name: str, said: str) -> None:
    assert said in bench("candidates", name).mistake
