from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import bench.runs.engine
from bench.diagnose.rescore import rescorer
from bench.diagnose.summary import across_seeds, diagnose_run
from bench.errors import BenchError
from bench.files.folders import Folders
from bench.metrics import FULL_METRICS, Metric, per_user
from bench.protocol.full_ranking import catalogue_hash
from bench.report.two_runs import compare_runs
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.record import RunRecord, describe_variant
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from bench.runs.tasks import Tasks
from bench.spec import ProtocolSpec, RunSpec, spec_from_json, spec_to_json
from tests.support.fake_methods import engine_with_fakes
from tests.support.shop_toy import N_ITEMS, N_USERS, write_shop


def quiet(_line: str) -> None: ...


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("shops")
    for seed, name in enumerate(("shop", "market")):
        write_shop(root / "data", name, seed=seed, seconds_between=86_400)
    return Folders(root / "cache", root / "results", root / "data")


@pytest.fixture
def folders(shops: Folders, tmp_path: Path) -> Folders:
    return dataclasses.replace(shops, results_dir=tmp_path / "results")


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from engine_with_fakes(monkeypatch)


def full_spec(method: str, setting: Any = "warm", full_ranking: bool = True, **wanted: Any) -> RunSpec:
    return complete(RunRequest(method, "shop", setting, full_ranking=full_ranking, **wanted))


def carried_out(folders: Folders, method: str, setting: Any = "warm", **wanted: Any) -> RunRecord:
    return run(full_spec(method, setting, **wanted), folders, quiet)


@pytest.mark.parametrize("setting", ["warm", "cold", "user-split"])
def test_a_full_run_is_stored_with_what_a_reader_must_know(shops: Folders, folders: Folders, setting: str) -> None:
    record = carried_out(folders, "popularity", setting)
    assert record.spec.full_ranking
    assert record.catalogue is not None
    assert record.catalogue["n_items"] == record.n_candidates == N_ITEMS
    assert N_ITEMS - 13 < record.catalogue["mean_candidates"] < N_ITEMS - 6
    assert tuple(record.metrics) == FULL_METRICS
    assert RunStore(folders.results_dir).load(record.id) == record
    assert "full catalogue" in describe_variant(record)
    _, ranks = RunStore(folders.results_dir).ranks(record.id)
    assert record.metrics["ndcg@10"]["value"] == pytest.approx(per_user(ranks, Metric("ndcg", 10), N_ITEMS).mean())
    above = np.mean(ranks.better + ranks.tied / 2)
    assert record.catalogue["mean_rank"] == pytest.approx(above + 1)


def test_the_same_queries_stand_no_higher_than_in_their_lists(folders: Folders) -> None:
    listed, full = (carried_out(folders, "random", full_ranking=full) for full in (False, True))
    (users, few), (same_users, all_) = (RunStore(folders.results_dir).ranks(record.id) for record in (listed, full))
    np.testing.assert_array_equal(users, same_users)
    assert (all_.better >= few.better).all()
    assert all_.better.mean() > few.better.mean()


def test_constant_and_oracle_are_known_in_advance(folders: Folders) -> None:
    constant, oracle = (carried_out(folders, name) for name in ("constant", "oracle"))
    assert constant.catalogue is not None
    assert oracle.catalogue is not None
    assert (constant.catalogue["auc"], constant.tie_rate) == (pytest.approx(0.5), 1)
    assert (oracle.catalogue["mean_rank"], oracle.catalogue["auc"], oracle.metrics["ndcg@1"]["value"]) == (1, 1, 1)


def test_full_runs_repeat_and_are_never_compared_with_lists(folders: Folders, tmp_path: Path) -> None:
    elsewhere = dataclasses.replace(folders, results_dir=tmp_path / "elsewhere")
    listed, full, again = (
        carried_out(place, "random", full_ranking=is_full)
        for place, is_full in ((folders, False), (folders, True), (elsewhere, True))
    )
    assert (full.id, full.metrics, full.catalogue) == (again.id, again.metrics, again.catalogue)
    assert full.id != listed.id
    assert (listed.token, full.token) == ("random@shop@warm@seed0", "random@shop@warm@full@seed0")
    assert [RunStore(folders.results_dir).find(f"random@shop@warm{kind}") for kind in ("", "@full")] == [listed, full]
    assert full.candidates_hash == carried_out(folders, "popularity").candidates_hash != listed.candidates_hash
    with pytest.raises(
        BenchError, match="cannot be compared: one ranked candidate lists, the other the full catalogue"
    ):
        compare_runs([listed], [full], ["ndcg@1"], RunStore(folders.results_dir))


def test_the_hash_of_a_catalogue_is_that_of_the_rule_and_the_queries(folders: Folders) -> None:
    prepared = {setting: Tasks(folders, quiet).prepared(ProtocolSpec("shop", setting)) for setting in ("warm", "cold")}  # type: ignore[arg-type]
    hashes = {catalogue_hash(one) for one in prepared.values()} | {one.candidates_hash for one in prepared.values()}
    assert len(hashes) == 4
    other_lists = Tasks(folders, quiet).prepared(ProtocolSpec("shop", seed=1))
    assert other_lists.candidates_hash != prepared["warm"].candidates_hash
    assert catalogue_hash(other_lists) == catalogue_hash(prepared["warm"])


def test_a_sample_of_the_queries_keeps_the_hash(folders: Folders) -> None:
    whole, part = carried_out(folders, "popularity"), carried_out(folders, "popularity", limit_queries=10)
    assert (whole.n_queries, part.n_queries) == (N_USERS, 10)
    assert part.candidates_hash == whole.candidates_hash
    store = RunStore(folders.results_dir)
    (all_users, all_ranks), (users, ranks) = store.ranks(whole.id), store.ranks(part.id)
    np.testing.assert_array_equal(ranks.better, all_ranks.better[np.searchsorted(all_users, users)])


def test_large_ranks_are_stored_whole(folders: Folders) -> None:
    record = carried_out(folders, "popularity")
    table = pq.read_table(folders.results_dir / "runs" / record.id / "ranks.parquet")
    types = {name: str(table.schema.field(name).type) for name in ("query", "better", "tied", "top_item")}
    assert types == {"query": "int64", "better": "int32", "tied": "int32", "top_item": "int32"}


def test_the_option_is_part_of_a_run_only_where_it_is_set() -> None:
    listed, full = (full_spec("popularity", full_ranking=is_full) for is_full in (False, True))
    assert "full_ranking" not in listed.key()
    assert full.key() == {**listed.key(), "full_ranking": True}
    assert spec_from_json(spec_to_json(full)) == full
    before = spec_to_json(listed)
    del before["full_ranking"]
    assert spec_from_json(before) == listed
    planned = RunRequest("popularity", "shop", "warm", full_ranking=True)
    assert complete(planned) == full
    assert planned.command().endswith("--full-ranking")


@pytest.mark.parametrize("method", ["zeroshot", "tallrec", "tallrec-yesno", "p5", "reccocktail", "weaverec", "xcross"])
def test_a_method_that_ranks_lists_alone_is_refused_before_anything_is_read(method: str) -> None:
    expected = rf"Method '{method}' can only rank candidate lists: .*can rank the full catalogue: .*bpr"
    with pytest.raises(BenchError, match=expected) as error:
        full_spec(method)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("fakes")
def test_a_plugin_that_says_nothing_of_catalogues_is_refused() -> None:
    with pytest.raises(BenchError, match="Method 'spy' can only rank candidate lists"):
        full_spec("spy")


SMALL: dict[str, dict[str, Any]] = {
    "text-knn": {},
    "bpr": {"epochs": 1},
    "recbole:NeuMF": {"epochs": 1},
    "alpharec": {"epochs": 1},
    "unisrec": {"epochs": 1, "pretrain_epochs": 0},
    "mcrpl": {"epochs": 1, "source_epochs": 1},
    "recformer": {"epochs": 1, "second_epochs": 1, "max_examples": 40, "pretrain_examples": 40},
    "llmrec": {"epochs": 1, "max_examples": 40},
}

"""A method for each way of scoring, so small that it learns in a moment."""


@pytest.mark.parametrize("method", SMALL)
def test_every_way_of_scoring_ranks_the_catalogue_with_the_model_of_its_lists(
    folders: Folders, tmp_path: Path, method: str, pico_encoder_folder: Path
) -> None:
    known = bench.runs.engine.registry().entry(method)
    place = dataclasses.replace(folders, cache_dir=tmp_path / "cache")
    wanted: dict[str, Any] = {
        "params": SMALL[method],
        "sources": ("market",) if known.needs_sources else (),
        "backbone": str(pico_encoder_folder) if known.needs_backbone else None,
    }
    listed = carried_out(place, method, full_ranking=False, **wanted)
    made = sorted(path.parent for path in place.cache_dir.rglob("made.json"))
    full = carried_out(place, method, **wanted)
    assert sorted(path.parent for path in place.cache_dir.rglob("made.json")) == made
    assert made
    store = RunStore(place.results_dir)
    few, all_ = store.ranks(listed.id)[1], store.ranks(full.id)[1]
    assert (all_.better + all_.tied >= few.better).all()
    assert np.corrcoef(all_.better, few.better)[0, 1] > 0.8


def test_a_full_run_stores_its_tops_and_an_oracles_top_is_the_positive(folders: Folders) -> None:
    store = RunStore(folders.results_dir)
    tops, popular = (store.tops(carried_out(folders, name).id) for name in ("oracle", "popularity"))
    assert tops is not None
    assert popular is not None
    np.testing.assert_array_equal(tops.top_count, tops.positive_count)
    np.testing.assert_array_equal(tops.positive_count, popular.positive_count)
    assert (popular.top_count >= popular.positive_count).all()


def test_a_full_run_is_not_asked_again_in_other_orders(folders: Folders) -> None:
    record = carried_out(folders, "popularity")
    with pytest.raises(BenchError, match="ranked the full catalogue, where there is no candidate order"):
        rescorer(record, folders, Metric("ndcg", 3), 10, quiet)


def test_a_diagnosis_of_both_kinds_keeps_them_apart(folders: Folders) -> None:
    listed, full = (carried_out(folders, "random", full_ranking=is_full) for is_full in (False, True))
    again = carried_out(folders, "random", seed=1)
    store, metric = RunStore(folders.results_dir), Metric("ndcg", 3)
    ((first, stable),) = across_seeds([listed, full, again], store, metric)
    assert (first.id, len(stable.values)) == (full.id, 2)
    found = {one.record.token: one for one in (diagnose_run(record, store, metric) for record in (listed, full))}
    assert found["random@shop@warm@seed0"].value > found["random@shop@warm@full@seed0"].value
    assert found["random@shop@warm@full@seed0"].bias is not None
