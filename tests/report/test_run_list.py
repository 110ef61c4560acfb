from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.errors import BenchError, BenchWarning
from bench.metrics import Metric, per_user
from bench.report.run_list import MOST_WITH_METRICS, RunFilter, list_runs
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


@pytest.fixture
def saved(save_run: Save) -> dict[str, RunRecord]:
    """Three runs: the newest is the worst."""
    return {
        "first": save_run("bpr", [0, 0], created="2026-01-01T10:00:00+00:00"),
        "second": save_run("sasrec", [1, 2], created="2026-01-02T10:00:00+00:00", seed=3, overrides={"layers": 4}),
        "third": save_run("bpr", [9, 9], created="2026-01-03T10:00:00+00:00", dataset="ml-100k", backbone="tiny"),
    }


def ids(store: RunStore, wanted: RunFilter | None = None, **options: Any) -> list[str]:
    return [row["id"] for row in list_runs(store, wanted or RunFilter(), ["id"], **options).rows]


def names(store: RunStore, saved: dict[str, RunRecord], **options: Any) -> list[str]:
    by_id = {record.id: name for name, record in saved.items()}
    return [by_id[one] for one in ids(store, **options)]


def test_the_newest_run_comes_first_with_what_names_it_and_its_metrics(
    run_store: RunStore, saved: dict[str, RunRecord]
) -> None:
    listed = list_runs(run_store, RunFilter())
    assert listed.columns == ("id", "method", "dataset", "setting", "seed", "variant", "ndcg@1", "ndcg@3", "created")
    assert [row["id"] for row in listed.rows] == [saved[name].id for name in ("third", "second", "first")]
    assert listed.rows[1] == {
        "id": saved["second"].id,
        "method": "sasrec",
        "dataset": "beauty",
        "setting": "warm",
        "seed": 3,
        "variant": "layers=4",
        "ndcg@1": 0.0,
        "ndcg@3": pytest.approx((0.6309297536 + 0.5) / 2),
        "created": "2026-01-02T10:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (RunFilter(method="BPR"), ["third", "first"]),
        (RunFilter(method="*rec"), ["second"]),
        (RunFilter(dataset="ml-*"), ["third"]),
        (RunFilter(setting="cold"), []),
        (RunFilter(backbone="tiny"), ["third"]),
        (RunFilter(seeds=(3, 4)), ["second"]),
        (RunFilter(params={"layers": "4.0"}), ["second"]),
        (RunFilter(params={"n_layers": "2"}), ["third", "first"]),
        (RunFilter(params={"other": "2"}), []),
        (RunFilter(full_ranking=True), []),
        (RunFilter(since="2026-01-02T10:00"), ["third", "second"]),
    ],
)
def test_only_runs_that_match_the_filter_are_listed(
    run_store: RunStore, saved: dict[str, RunRecord], wanted: RunFilter, found: list[str]
) -> None:
    assert names(run_store, saved, wanted=wanted) == found


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({"sort": "NDCG@3"}, ["first", "second", "third"]),
        ({"sort": "ndcg@3", "reverse": True}, ["third", "second", "first"]),
        ({"sort": "created", "reverse": True}, ["first", "second", "third"]),
        ({"sort": "seed", "reverse": True, "limit": 1}, ["second"]),
        ({"sort": "n_layers", "reverse": True, "limit": 1}, ["second"]),
        ({"sort": "backbone", "limit": 1}, ["third"]),
        ({"sort": "backbone", "reverse": True, "limit": 1}, ["third"]),
        ({"limit": 2}, ["third", "second"]),
    ],
)
def test_runs_are_sorted_by_any_column_and_those_without_a_value_come_last(
    run_store: RunStore, saved: dict[str, RunRecord], options: dict[str, Any], order: list[str]
) -> None:
    assert names(run_store, saved, **options) == order


def test_metrics_come_from_the_ranks_and_not_from_the_record(run_store: RunStore, saved: dict[str, RunRecord]) -> None:
    record = saved["first"]
    path = run_store.path(record.id) / "run.json"
    fields = json.loads(path.read_text())
    fields["metrics"]["ndcg@3"]["value"] = 0.123
    path.write_text(json.dumps(fields))
    (row,) = list_runs(run_store, RunFilter(since="2026", method="bpr", dataset="beauty"), ["ndcg@3", "mrr@7"]).rows
    ranks = run_store.queries(record.id).ranks
    assert row == {"ndcg@3": per_user(ranks, Metric("ndcg", 3)).mean(), "mrr@7": 1.0}


def test_a_run_whose_ranks_were_edited_is_listed_without_metrics(
    run_store: RunStore, saved: dict[str, RunRecord]
) -> None:
    (path,) = run_store.path(saved["first"].id).glob("ranks-*.parquet")
    (other,) = run_store.path(saved["third"].id).glob("ranks-*.parquet")
    path.write_bytes(other.read_bytes())
    with pytest.warns(BenchWarning, match="is listed without metrics. Cannot read"):
        rows = list_runs(run_store, RunFilter(method="bpr"), ["id", "hit@1"]).rows
    assert rows == ({"id": saved["third"].id, "hit@1": 0.0}, {"id": saved["first"].id, "hit@1": None})


def test_metrics_of_many_runs_are_computed_only_if_they_are_named(run_store: RunStore, save_run: Save) -> None:
    for seed in range(MOST_WITH_METRICS + 1):
        save_run("bpr", [seed % 30], seed=seed)
    listed = list_runs(run_store, RunFilter())
    assert "ndcg@3" not in listed.columns
    assert listed.left_out == ("ndcg@1", "ndcg@3")
    assert "ndcg@3" in list_runs(run_store, RunFilter(), limit=5).columns
    best = list_runs(run_store, RunFilter(), sort="hit@1", limit=2)
    assert [row["hit@1"] for row in best.rows] == [1.0, 1.0]


@pytest.mark.parametrize(("name", "hint"), [("methd", "Did you mean method"), ("layrs", "Did you mean layers")])
@pytest.mark.usefixtures("saved")
def test_an_unknown_column_is_an_error_with_near_names(run_store: RunStore, name: str, hint: str) -> None:
    with pytest.raises(BenchError, match=rf"Unknown column '{name}'; .*{hint}"):
        list_runs(run_store, RunFilter(), [name])
    with pytest.raises(BenchError, match="Unknown metric 'ndgc@3'"):
        list_runs(run_store, RunFilter(), ["ndgc@3"])


@pytest.mark.usefixtures("saved")
def test_the_text_aligns_numbers_at_their_right_and_shows_a_dash_for_no_value(run_store: RunStore) -> None:
    text = list_runs(run_store, RunFilter(), ["method", "backbone", "layers", "created"], sort="layers").to_text()
    lines = text.splitlines()
    assert lines[0] == "method  backbone  layers  created"
    assert lines[-1] == "sasrec  –              4  2026-01-02 10:00"


def test_the_auc_is_a_column_as_other_metrics_are(run_store: RunStore, saved: dict[str, RunRecord]) -> None:
    assert [row["auc"] for row in list_runs(run_store, RunFilter(), ["AUC"], sort="auc").rows] == [
        1.0,
        pytest.approx(1 - 1.5 / 29),
        pytest.approx(1 - 9 / 29),
    ]


def test_the_auc_of_full_ranking_is_the_stored_one(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 0], catalogue={"n_items": 500.0, "auc": 0.75})
    assert list_runs(run_store, RunFilter(), ["auc"]).rows == ({"auc": 0.75},)
