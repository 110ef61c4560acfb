from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_methods import engine_with_fakes
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from shop_toy import N_ITEMS, N_USERS, write_shop

import bench.engine
from bench.completion import complete_planned, complete_spec
from bench.data.domain import Domain
from bench.diagnose.rescore import rescorer
from bench.diagnose.summary import across_seeds, diagnose_run
from bench.engine import Folders, prepare, run
from bench.errors import BenchError
from bench.experiment import PlannedRun
from bench.full_ranking import CatalogueRanks, catalogue_hash, rank_in_catalogue, touched_pairs
from bench.metrics import FULL_METRICS, Metric, per_user, rank_positive
from bench.plugin import Answers, Queries
from bench.protocol import QuerySet
from bench.report.versus import compare_runs
from bench.runs import RunRecord, RunStore, describe_variant, spec_from_json, spec_to_json
from bench.spec import ProtocolSpec, RunSpec

Ask = Callable[[QuerySet], NDArray[np.floating]]
# Three users of a shop of five items. The last item of each is asked for.
HISTORIES = ([0, 1, 4], [3, 2], [1, 2, 1])
TITLES = ("Tea", "Cup", "Pot", "Spoon", "tea ")


def quiet(_line: str) -> None: ...


def domain_of(histories: Any = HISTORIES, titles: tuple[str, ...] = TITLES) -> Domain:
    items = np.concatenate([np.asarray(history) for history in histories]).astype(np.int32)
    indptr = np.cumsum([0, *map(len, histories)]).astype(np.int64)
    names = np.array([str(number) for number in range(max(len(histories), len(titles)))])
    return Domain("toy", indptr, items, titles, names[: len(histories)], names[: len(titles)])


def queries_of(domain: Domain, lists: NDArray[np.integer], columns: Any) -> QuerySet:
    """Ask each user for what stands in their list's given column; the history is what came before the last item."""
    users = np.arange(domain.n_users)
    shown = [domain.history(user)[:-1] for user in users]
    indptr = np.cumsum([0, *map(len, shown)]).astype(np.int64)
    queries = Queries(users, indptr, np.concatenate(shown).astype(np.int32), lists.astype(np.int32))
    return QuerySet(queries, Answers(np.asarray(columns, np.int64)), "hash")


def by_table(table: Any) -> Ask:
    """Score item ``i`` for user ``u`` by ``table[u, i]``, whatever the list."""
    return lambda asked: np.asarray(table, float)[asked.queries.users[:, None], asked.queries.candidates]


TOY = queries_of(domain_of(), np.array([[4, 2], [0, 2], [0, 1]]), [0, 1, 1])
SCORES = [
    [9, 9, 5, 1, 3],  # item 4 is asked for: 0 and 1 were touched, so 2 alone is above, and 3 below
    [7, 7, 7, 9, 2],  # item 2 is asked for: 3 was touched, 0 and 1 tie, 4 is below
    [0, 1, 9, 2, 2],  # item 1 is asked for and was bought before: it stays, 2 was touched, 3 and 4 are above
]


def ranked(ask: Ask, queries: QuerySet = TOY, domain: Domain | None = None, **more: Any) -> CatalogueRanks:
    domain = domain or domain_of()
    return rank_in_catalogue("toy", ask, queries, domain, np.arange(domain.n_items), quiet, **more)


def test_ranks_in_a_catalogue_of_five_are_those_counted_by_hand() -> None:
    found = ranked(by_table(SCORES))
    assert found.ranks.better.tolist() == [1, 0, 2]
    assert found.ranks.tied.tolist() == [0, 2, 0]
    assert found.n_candidates.tolist() == [3, 4, 4]
    assert found.has_twin.tolist() == [False, False, False]  # of "Tea" and "tea ", user 0 touched the one


def test_what_a_record_states_follows_from_the_ranks() -> None:
    facts = ranked(by_table(SCORES)).facts()
    assert facts == {
        "n_items": 5,
        "mean_candidates": pytest.approx(11 / 3),
        "mean_rank": pytest.approx((2 + 2 + 3) / 3),
        "median_rank": 2,
        "auc": pytest.approx(1 - (1 / 2 + 1 / 3 + 2 / 3) / 3),
        "queries_with_twin": 0,
    }
    json.dumps(facts)


def test_a_title_of_the_positive_elsewhere_stays_and_is_counted() -> None:
    domain = domain_of(([1, 4], [3, 2]))
    found = ranked(by_table(np.ones((2, 5))), queries_of(domain, np.array([[4, 3], [2, 0]]), [0, 0]), domain)
    assert found.has_twin.tolist() == [True, False]
    assert found.ranks.tied.tolist() == [3, 3]


def test_ties_count_as_their_expected_value() -> None:
    found = ranked(by_table(np.zeros((3, 5))))
    assert found.ranks.better.tolist() == [0, 0, 0]
    assert (found.ranks.tied + 1).tolist() == found.n_candidates.tolist()
    assert per_user(found.ranks, Metric("hit", 1), 5) == pytest.approx([1 / 3, 1 / 4, 1 / 4])
    assert found.facts()["auc"] == pytest.approx(0.5)


def test_touched_items_are_those_of_any_part_once_and_without_the_positive() -> None:
    rows, items = touched_pairs(domain_of(), TOY.queries, np.array([4, 2, 1]))
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 3), (2, 2)]


@st.composite
def shops_with_lists(draw: st.DrawFn) -> tuple[Domain, QuerySet, NDArray[np.int64]]:
    """Draw histories, lists of the positive and untouched items, and coarse scores, so that there are ties."""
    n_items, n_users, length = draw(st.integers(6, 15)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    histories = [rng.integers(0, n_items, rng.integers(2, n_items - length + 1)) for _ in range(n_users)]
    lists, columns = [], []
    for history in histories:
        rest = np.setdiff1d(np.arange(n_items), history)
        column = int(rng.integers(length))
        lists.append(np.insert(rng.permutation(rest)[: length - 1], column, history[-1]))
        columns.append(column)
    domain = domain_of(histories, tuple(str(number) for number in range(n_items)))
    return domain, queries_of(domain, np.stack(lists), columns), rng.integers(0, 4, (n_users, n_items))


@given(shops_with_lists())
def test_a_positive_stands_no_higher_in_the_catalogue_than_in_a_list_taken_from_it(
    shop: tuple[Domain, QuerySet, NDArray[np.int64]],
) -> None:
    domain, queries, scores = shop
    ask = by_table(scores)
    full, listed = ranked(ask, queries, domain).ranks, rank_positive(ask(queries), queries.answers.positive_column)
    assert (full.better >= listed.better).all()
    assert (full.better + full.tied >= listed.better + listed.tied).all()


@given(shops_with_lists(), st.integers(1, 4))
def test_ranks_are_those_of_a_loop_over_users_and_items_whatever_the_chunks(
    shop: tuple[Domain, QuerySet, NDArray[np.int64]], at_once: int
) -> None:
    domain, queries, scores = shop
    found = ranked(by_table(scores), queries, domain, at_once=at_once)
    for user, positive in enumerate(queries.lists.positives):
        others = [item for item in range(domain.n_items) if item not in domain.history(user)]
        assert found.n_candidates[user] == len(others) + 1
        assert found.ranks.better[user] == sum(scores[user, item] > scores[user, positive] for item in others)
        assert found.ranks.tied[user] == sum(scores[user, item] == scores[user, positive] for item in others)
        candidates = [*others, int(positive)]
        highest = max(scores[user, item] for item in candidates)
        top = [item for item in candidates if scores[user, item] == highest]
        assert found.tops.top_item[user] == min(top)
        assert found.tops.top_count[user] == pytest.approx(np.mean(top))  # an item's number is its count here
        assert found.tops.positive_count[user] == positive


def test_a_chunk_is_one_list_of_all_items_and_progress_is_told() -> None:
    asked: list[QuerySet] = []
    lines: list[str] = []

    def ask(queries: QuerySet) -> NDArray[np.floating]:
        asked.append(queries)
        return by_table(SCORES)(queries)

    rank_in_catalogue("toy", ask, TOY, domain_of(), np.arange(5), lines.append, at_once=2)
    _lists, _compared, *chunks = asked
    assert [chunk.queries.users.tolist() for chunk in chunks] == [[0, 1], [2]]
    for chunk in chunks:
        common = chunk.queries.common_candidates
        assert common is not None
        assert common.tolist() == [0, 1, 2, 3, 4]
        assert chunk.queries.candidates.strides[0] == 0
    assert lines == [f"toy: {done} of 3 queries ranked among 5 items" for done in (2, 3)]


def test_a_score_that_depends_on_the_list_is_refused() -> None:
    def by_place(asked: QuerySet) -> NDArray[np.floating]:
        return np.tile(np.arange(asked.queries.candidates.shape[1], dtype=float), (len(asked), 1))

    with pytest.raises(BenchError, match=r"Method 'toy' scores an item of a list of 2 otherwise .* \(2 of 3 queries\)"):
        ranked(by_place)


def test_rounding_and_infinities_are_no_dependence_on_the_list() -> None:
    def rounded(asked: QuerySet) -> NDArray[np.floating]:
        scores = by_table([[5, 4, 3, 2, -np.inf]] * 3)(asked)
        return scores * (1 + 1e-6 * (asked.queries.candidates.shape[1] == 5))

    assert ranked(rounded).ranks.better.tolist() == [2, 2, 1]


def test_common_candidates_are_kept_once_and_survive_a_choice_of_rows() -> None:
    assert TOY.queries.common_candidates is None
    assert TOY.queries.distinct_candidates().tolist() == [0, 1, 2, 4]
    wide = TOY.queries.asked_about(np.array([3, 1]))
    taken = wide.take(np.array([2, 0]))
    for queries in (wide, taken):
        assert queries.common_candidates is not None
        assert queries.common_candidates.tolist() == [3, 1]
        assert queries.distinct_candidates().tolist() == [1, 3]
    assert taken.users.tolist() == [2, 0]
    assert taken.history(0).tolist() == [1, 2]
    assert taken.candidates.shape == (2, 2)


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
    return complete_spec(method, ProtocolSpec("shop", setting), full_ranking=full_ranking, **wanted)


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
    assert "whole catalogue" in describe_variant(record)
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
    with pytest.raises(BenchError, match="different candidates, frozen lists and the whole catalogue, and are never"):
        compare_runs(listed.id, full.id, ["ndcg@1"], RunStore(folders.results_dir))


def test_the_hash_of_a_catalogue_is_that_of_the_rule_and_the_queries(folders: Folders) -> None:
    prepared = {setting: prepare(ProtocolSpec("shop", setting), folders, quiet) for setting in ("warm", "cold")}  # type: ignore[arg-type]
    hashes = {catalogue_hash(one) for one in prepared.values()} | {one.candidates_hash for one in prepared.values()}
    assert len(hashes) == 4
    other_lists = prepare(ProtocolSpec("shop", seed=1), folders, quiet)
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
    planned = PlannedRun("popularity", "shop", "warm", full_ranking=True)
    assert complete_planned(planned) == full
    assert planned.command().endswith("--full-ranking")


@pytest.mark.parametrize("method", ["zeroshot", "tallrec", "tallrec-yesno", "p5", "reccocktail", "weaverec", "xcross"])
def test_a_method_that_ranks_lists_alone_is_refused_before_anything_is_read(method: str) -> None:
    expected = rf"Method '{method}' ranks lists of candidates and cannot rank the whole catalogue: .*These can: .*bpr"
    with pytest.raises(BenchError, match=expected) as error:
        full_spec(method)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("fakes")
def test_a_plugin_that_says_nothing_of_catalogues_is_refused() -> None:
    with pytest.raises(BenchError, match="Method 'spy' ranks lists"):
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
    known = bench.engine.registry().entry(method)
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


def test_an_item_that_was_touched_is_no_top() -> None:
    found = ranked(by_table(SCORES))
    assert found.tops.top_item.tolist() == [2, 0, 3]  # 0 and 1 of user 0, 3 of user 1 and 2 of user 2 were touched
    assert found.tops.top_count.tolist() == [2, 1, 3.5]  # user 1 puts 0, 1 and 2 level, user 2 puts 3 and 4
    assert found.tops.positive_count.tolist() == [4, 2, 1]


def test_a_full_run_is_not_asked_again_in_other_orders(folders: Folders) -> None:
    record = carried_out(folders, "popularity")
    with pytest.raises(BenchError, match="ranked the whole catalogue, which has no order"):
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
