"""The user-split setting as a user meets it: runs, candidates, refusals and a table in percent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench.runs.tasks as bench_tasks
from bench.metrics import Metric, Ranks, chance, per_user
from bench.runs.store import RunStore
from tests.support.command_line import Outcome, call_bench
from tests.support.fake_methods import Spy, know_fakes
from tests.support.shop_toy import write_shop

Bench = Callable[..., Outcome]
N_USERS = 700
SPLIT = ("--dataset", "shop", "--setting", "user-split", "--device", "cpu", "--json")
TABLE = """\
name: small
caption: X-Cross' layout.
datasets: {shop: {title: Shop}}
settings: [user-split]
metrics: [hit@1, hit@3, hit@10, mrr@10]
percent: true
rows:
  - {method: random, label: Random}
  - {method: popularity, label: Popularity}
"""
SIZES = """\
name: sizes
caption: Sizes.
datasets: {shop: {title: Shop}}
settings: [user-split]
metrics: [hit@1, hit@10]
train_subsets: [0, 1]
rows:
  - {method: random, label: Random, reference: true}
  - {method: popularity, label: Popularity 60, train_users: 60}
  - {method: popularity, label: Popularity 120, train_users: 120}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("daily")
    write_shop(root / "data", n_users=N_USERS, seconds_between=86_400)
    write_shop(root / "data", "market", seed=1, n_users=N_USERS, seconds_between=86_400)
    path = root / "data" / "timeless"
    path.mkdir()
    lines = [f"user{user},item{(user + step) % 60}" for user in range(80) for step in range(9)]
    (path / "interactions.csv").write_text("\n".join(["user_id,item_id", *lines]) + "\n")
    return root


@pytest.fixture
def bench(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name in ("data", "cache", "results"):
        monkeypatch.setenv(f"BENCH_{name.upper()}", str(folder / name))
    return lambda *words: call_bench(str(word) for word in words)


def record_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


def test_controls_text_and_sequential_methods_rank_the_same_lists(
    bench: Bench, pico_encoder_folder: Path, folder: Path
) -> None:
    facts = record_of(bench("candidates", "shop", "--setting", "user-split", "--json"))
    assert facts["n_training_users"] + facts["n_validation_queries"] + facts["n_queries"] == N_USERS
    extra = {"text-knn": ("--backbone", pico_encoder_folder), "sasrec": ("-p", "epochs=1", "-p", "dimensions=8")}
    records = {
        method: record_of(bench("run", "--method", method, *SPLIT, *extra.get(method, ())))
        for method in ("random", "popularity", "constant", "oracle", "text-knn", "sasrec")
    }
    assert {record["candidates_hash"] for record in records.values()} == {facts["candidates_hash"]}
    assert {"hit@1", "hit@3", "hit@10", "mrr@10"} <= set(records["sasrec"]["metrics"])
    assert any(f"{facts['n_training_users']} train" in note for note in records["sasrec"]["notes"])
    for metric in ("hit@1", "hit@3", "hit@10", "mrr@10"):
        values = {method: record["metrics"][metric]["value"] for method, record in records.items()}
        assert values["constant"] == pytest.approx(chance(Metric.parse(metric)))
        assert values["oracle"] == 1
    stored = RunStore(folder / "results").ranks(records["random"]["id"])[1]
    assert_at_chance(stored)


def assert_at_chance(ranks: Ranks) -> None:
    """Hit@1 1/30, Hit@3 1/10, Hit@10 1/3 and MRR@10 .0976, within 3.5 standard errors."""
    for metric, expected in (("hit@1", 1 / 30), ("hit@3", 0.1), ("hit@10", 1 / 3), ("mrr@10", 0.0976)):
        values = per_user(ranks, Metric.parse(metric))
        assert values.mean() == pytest.approx(expected, abs=3.5 * values.std() / len(values) ** 0.5)


def test_sources_are_their_own_train_users_and_known_to_the_method_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_fakes(monkeypatch)
    Spy.seen.clear()
    record_of(bench("run", "--method", "learner", *SPLIT, "--sources", "market"))
    task, queries = Spy.seen.pop()
    (source,) = task.sources
    assert task.setting == "user-split"
    trained = set(source.user_ids[np.diff(source.indptr) > 0].tolist())
    own = set(task.target.user_ids[np.diff(task.target.indptr) > 0].tolist())
    assert trained == own  # the same ids in both shops, and all of them have enough items
    assert not trained & set(task.target.user_ids[queries.users].tolist())


def test_a_source_whose_order_stands_for_days_is_named_in_the_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_fakes(monkeypatch)
    load = bench_tasks.load_domain
    monkeypatch.setattr(
        bench_tasks, "load_domain", lambda *words: dataclasses.replace(load(*words), order_as_days=True)
    )
    record = record_of(bench("run", "--method", "learner", *SPLIT, "--sources", "timeless"))
    assert "timeless has no timestamps: each interaction counts as a day of its own" in record["warnings"]


def test_a_curve_over_training_users_is_reproduced_and_read(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "sizes.yaml"
    path.write_text(SIZES)
    assert "bench run --method popularity --dataset shop --setting user-split" in (
        bench("reproduce", path, "--dry-run").stdout
    )
    outcome = bench("reproduce", path, "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert "subsets of training users (in rows trained on a number of users)" in outcome.stdout
    text = bench("curve", path, "--metric", "hit@10").stdout
    assert "Shop: Hit@10 in percent on" in text
    content = json.loads(bench("curve", path, "--json").stdout)
    assert content["methods"] == ["popularity"]
    assert [point["n_subsets"] for point in content["curves"][0]["points"]] == [2, 2]
    assert content["missing"] == []
    plan = bench("plan", path).stdout
    assert "60 users, subset 1" in plan
    assert bench("curve", path, "--metric", "hits@1").code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "bpr", *SPLIT), "Method 'bpr' does not support --setting user-split; expected warm, cold."),
        (("--method", "recbole:BPR", *SPLIT), "RecBole's BPR learns a vector per user and cannot score the user-split"),
        (("--method", "recbole:HGN", *SPLIT), "RecBole's HGN learns a vector per user and cannot score the user-split"),
        (
            ("--method", "random", "--dataset", "timeless", "--setting", "user-split"),
            "Dataset 'timeless' has no timestamps, and the user-split setting draws one interaction per user and day.",
        ),
        (("--method", "random", "--dataset", "shop", "--setting", "user-spilt"), "Did you mean user-split?"),
    ],
)
def test_what_cannot_run_is_refused_with_one_sentence(bench: Bench, words: tuple[str, ...], message: str) -> None:
    outcome = bench("run", *words)
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert message in outcome.stderr.splitlines()[-1]


def test_a_table_in_the_papers_layout_is_in_percent(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(TABLE)
    for method in ("random", "popularity"):
        record = record_of(bench("run", "--method", method, *SPLIT))
    text = bench("table", path).stdout
    assert "Hit@10 (%)" in text
    assert "Shop, user-split" in text
    assert f"{100 * record['metrics']['hit@10']['value']:.2f}" in text
    stored = bench("table", "--dataset", "shop", "--setting", "user-split", "--metric", "hit@10").stdout
    assert f"{record['metrics']['hit@10']['value']:.4f}" in stored


def test_the_help_names_the_setting(bench: Bench) -> None:
    for command in ("run", "candidates", "table"):
        assert "user-split" in bench(command, "--help").stdout
    assert "warm; cold; user-split" in bench("describe", "sasrec").stdout
