from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray

import bench.runs.engine
from bench.errors import BenchError
from bench.files.folders import Folders
from bench.metrics import DEFAULT_METRICS, Metric, chance
from bench.plugin import Answers, FitReport, Queries, Task, TrainingReport
from bench.protocol.task import PreparedTask
from bench.runs.complete import complete
from bench.runs.engine import checked_report, run
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from bench.runs.tasks import Tasks
from bench.spec import ProtocolSpec, RunSpec
from tests.support.fake_methods import Spy, engine_with_fakes
from tests.support.shop_toy import N_ITEMS, N_USERS, write_shop

SETTINGS = ("warm", "cold")


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from engine_with_fakes(monkeypatch)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Three shops; one of them has no titles for a tenth of its items."""
    root = tmp_path_factory.mktemp("shops")
    write_shop(root / "data", "shop")
    write_shop(root / "data", "market", seed=1)
    write_shop(root / "data", "untitled", n_untitled=6, seed=2)
    return Folders(root / "cache", root / "results", root / "data")


@pytest.fixture
def folders(shops: Folders, tmp_path: Path) -> Folders:
    return dataclasses.replace(shops, results_dir=tmp_path / "results")


def spec_of(method: str, setting: Any = "warm", dataset: str = "shop", **wanted: Any) -> RunSpec:
    return complete(RunRequest(method, dataset, setting, **wanted))


def quiet(_line: str) -> None: ...


def carried_out(folders: Folders, method: str, *words: Any, **wanted: Any) -> RunRecord:
    return run(spec_of(method, *words, **wanted), folders, quiet)


def stored_files(folders: Folders) -> list[Path]:
    return [path for path in folders.results_dir.rglob("*") if path.is_file()]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_run_is_stored_with_all_that_a_reader_must_know(folders: Folders, setting: str) -> None:
    record = carried_out(folders, "popularity", setting, seed=3)
    prepared = Tasks(folders, quiet).prepared(ProtocolSpec("shop", setting))  # type: ignore[arg-type]
    content = json.loads((folders.results_dir / "runs" / record.id / "run.json").read_text())
    assert set(content) == {item.name for item in dataclasses.fields(RunRecord)}
    assert content["id"] == spec_of("popularity", setting, seed=3).hash()
    assert (content["spec"]["dataset"], content["spec"]["setting"], content["spec"]["seed"]) == ("shop", setting, 3)
    assert content["candidates_hash"] == prepared.candidates_hash
    assert content["n_queries"] == len(prepared.test) == (N_USERS if setting == "warm" else content["n_queries"])
    assert set(content["metrics"]) == set(DEFAULT_METRICS)
    assert all(value["low"] <= value["value"] <= value["high"] for value in content["metrics"].values())
    assert set(content["seconds"]) == set(content["peak_memory_bytes"]) == {"prepare", "fit", "score"}
    assert content["versions"]["numpy"] == np.__version__
    assert (content["family"], content["device"], content["toy"], content["backbone"]) == (
        "control",
        "cpu",
        False,
        None,
    )
    assert content["threads"] == torch.get_num_threads()
    assert content["fit"] == FitReport(cold_rule="zero (no interactions)").to_json() | {"deviations": []}
    assert content["warnings"] == list(prepared.warnings)
    assert bool(content["warnings"]) == (setting == "cold")


def test_the_ranks_of_every_query_are_stored(folders: Folders) -> None:
    record = carried_out(folders, "popularity")
    (path,) = (folders.results_dir / "runs" / record.id).glob("ranks-*.parquet")
    table = pq.read_table(path)
    assert table.column_names == ["query", "better", "tied", "top_item", "top_count", "positive_count"]
    types = ["int64", "int16", "int16", "int32", "float", "int32"]
    assert [str(column.type) for column in table.columns] == types
    assert table["query"].to_pylist() == list(range(N_USERS))
    better, tied = table["better"].to_numpy(), table["tied"].to_numpy()
    assert better.min() >= 0
    assert (better + tied).max() < 30
    assert record.tie_rate == np.mean(tied > 0)
    assert record.metrics["hit@1"]["value"] == pytest.approx(np.mean(np.where(better == 0, 1 / (tied + 1), 0)))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("metric", ["ndcg@1", "ndcg@3", "mrr@5"])
def test_constant_scores_chance_and_the_oracle_one(folders: Folders, setting: str, metric: str) -> None:
    constant, oracle = (carried_out(folders, name, setting) for name in ("constant", "oracle"))
    assert constant.metrics[metric]["value"] == pytest.approx(chance(Metric.parse(metric)), rel=1e-9)
    assert constant.tie_rate == 1
    assert oracle.metrics[metric]["value"] == 1
    assert oracle.tie_rate == 0


def test_the_same_run_is_never_done_twice(folders: Folders) -> None:
    lines: list[str] = []
    first = carried_out(folders, "spy")
    second = run(spec_of("spy"), folders, lines.append)
    assert len(Spy.seen) == 1
    assert second == first
    assert lines[-1].startswith(f"reusing stored run {first.id}; use --rescore to score or --force to train it again")


def test_force_redoes_a_run(folders: Folders) -> None:
    first = carried_out(folders, "spy")
    second = run(spec_of("spy"), folders, quiet, again="score")
    assert len(Spy.seen) == 2
    assert second.metrics == first.metrics
    assert len(RunStore(folders.results_dir).records()) == 1


def test_equal_runs_agree_whatever_the_folders(folders: Folders, tmp_path: Path) -> None:
    elsewhere = Folders(tmp_path / "other cache", tmp_path / "other results", folders.data_dir)
    first, second = (run(spec_of("random", "cold"), place, quiet) for place in (folders, elsewhere))
    assert (first.id, first.candidates_hash, first.metrics) == (second.id, second.candidates_hash, second.metrics)
    assert carried_out(folders, "random", "cold", seed=1).metrics != first.metrics


def test_a_sample_of_the_queries_keeps_the_candidates_and_has_its_own_id(folders: Folders) -> None:
    whole, part = carried_out(folders, "spy"), carried_out(folders, "spy", limit_queries=10)
    assert part.id != whole.id
    assert part.candidates_hash == whole.candidates_hash
    assert (whole.n_queries, part.n_queries) == (N_USERS, 10)
    (_, all_queries), (_, queries) = Spy.seen
    assert len(np.unique(queries.users)) == 10
    np.testing.assert_array_equal(queries.candidates, all_queries.candidates[queries.users])
    for row, user in enumerate(queries.users):
        np.testing.assert_array_equal(queries.history(row), all_queries.history(user))


def test_a_sample_of_the_validation_queries_keeps_their_answers_and_what_is_asked(folders: Folders) -> None:
    whole, part = carried_out(folders, "spy"), carried_out(folders, "spy", limit_validation=10)
    assert part.id != whole.id
    assert (part.n_queries, part.candidates_hash) == (whole.n_queries, whole.candidates_hash)
    (everyone, _), (few, _) = Spy.seen
    rows = few.validation.users
    assert len(np.unique(rows)) == 10
    np.testing.assert_array_equal(few.validation.candidates, everyone.validation.candidates[rows])
    np.testing.assert_array_equal(
        few.validation_answers.positive_column, everyone.validation_answers.positive_column[rows]
    )
    assert few.target.content_hash == everyone.target.content_hash


def test_a_limit_above_the_number_of_queries_scores_them_all(folders: Folders) -> None:
    assert carried_out(folders, "spy", limit_queries=1_000).n_queries == N_USERS


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("undecided", "NaN for 3 of 80 queries"),
        ("narrow", r"shape \(80, 29\) and type float64; expected floats of shape \(80, 30\)"),
        ("forgetful", r"shape \(79, 30\)"),
        ("ragged", "not an array"),
        ("ordinal", "type int64"),
        ("silent", "type object"),
        ("talkative", "a report that cannot be saved as JSON"),
        ("old-fashioned", "returned a dict as its report, expected a FitReport"),
    ],
)
def test_wrong_scores_name_the_method_and_nothing_is_stored(folders: Folders, method: str, reason: str) -> None:
    with pytest.raises(BenchError, match=f"Method '{method}' .*{reason}") as error:
        carried_out(folders, method)
    assert "\n" not in str(error.value)
    assert stored_files(folders) == []
    assert RunStore(folders.results_dir).records() == []


def test_infinite_scores_are_scores(folders: Folders) -> None:
    queries = Tasks(folders, quiet).prepared(ProtocolSpec("shop")).test.queries
    scores = np.full(queries.candidates.shape, -np.inf)
    np.testing.assert_array_equal(bench.runs.engine.checked_scores("any", scores, queries), scores)


def test_a_report_becomes_what_json_gives_back() -> None:
    report = FitReport(training=TrainingReport(curves={"losses": [2.0, 1.0]}), extra={"weights": (0.5, 0.5), "n": 3})
    checked = checked_report("any", report)
    assert checked.extra == {"weights": [0.5, 0.5], "n": 3}
    assert checked.training == TrainingReport(curves={"losses": (2.0, 1.0)})
    assert checked_report("any", checked) == checked


@pytest.mark.parametrize("extra", [{"loss": np.float32(1)}, {"loss": float("inf")}, {"set": {1}}])
def test_a_report_that_json_cannot_hold_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="Method 'any' returned a report that cannot be saved as JSON"):
        checked_report("any", FitReport(extra=extra))


def parts_of(thing: Any) -> Iterator[Any]:
    """Walk through all fields and elements of what a plugin is shown."""
    yield thing
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        for item in dataclasses.fields(thing):
            yield from parts_of(getattr(thing, item.name))
    elif isinstance(thing, list | tuple) and not (thing and isinstance(thing[0], str)):
        for part in thing:
            yield from parts_of(part)


def seen_and_truth(folders: Folders, setting: str) -> tuple[Task, Queries, PreparedTask]:
    carried_out(folders, "spy", setting)
    task, queries = Spy.seen[-1]
    return task, queries, Tasks(folders, quiet).prepared(ProtocolSpec("shop", setting))  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_plugin_is_shown_an_answer_of_the_test_part(folders: Folders, setting: str) -> None:
    task, queries, truth = seen_and_truth(folders, setting)
    parts = [*parts_of(task), *parts_of(queries)]
    assert [part for part in parts if isinstance(part, Answers)] == [task.validation_answers]
    assert not [part for part in parts if isinstance(part, PreparedTask)]
    secrets: tuple[NDArray[Any], ...] = (truth.test.lists.positive_column, truth.test.lists.positives)
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    assert len(arrays) >= 12
    assert not any(np.array_equal(array, secret) for array in arrays for secret in secrets)


@pytest.mark.parametrize("setting", SETTINGS)
def test_training_holds_no_test_or_validation_interaction(folders: Folders, setting: str) -> None:
    task, _, truth = seen_and_truth(folders, setting)
    whole = truth.domain
    for part in (truth.test, truth.validation):
        for user, positive in zip(part.queries.users, part.lists.positives, strict=True):
            assert positive in whole.history(user)
            assert positive not in task.target.history(user)
    last_two = {(user, item) for user in range(whole.n_users) for item in whole.history(user)[-2:]}
    assert not last_two & set(zip(task.target.users_of_interactions(), task.target.items, strict=True))
    assert 0 < task.target.n_interactions <= whole.n_interactions - 2 * N_USERS


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_history_reaches_beyond_its_query(folders: Folders, setting: str) -> None:
    task, queries, truth = seen_and_truth(folders, setting)
    for shown, part in ((queries, truth.test), (task.validation, truth.validation)):
        for row, (user, positive) in enumerate(zip(shown.users, part.lists.positives, strict=True)):
            whole = truth.domain.history(user).tolist()
            before = whole[: whole.index(positive)]
            assert shown.history(row).tolist() == [item for item in before if not truth.cold_items[item]]


def test_cold_items_occur_in_nothing_that_is_learnt_from(folders: Folders) -> None:
    task, queries, truth = seen_and_truth(folders, "cold")
    cold = np.flatnonzero(truth.cold_items)
    assert len(cold) == N_ITEMS // 10
    assert np.isin(truth.test.lists.positives, cold).all()
    for shown in (task.target.items, task.validation.candidates, task.validation.history_items, queries.history_items):
        assert not np.isin(shown, cold).any()


def test_missing_titles_are_counted_for_a_method_that_reads_them(folders: Folders) -> None:
    with pytest.raises(
        BenchError, match=r"'reader' needs titles, but 6 of the 60 items of 'untitled' have none.*items"
    ):
        carried_out(folders, "reader", dataset="untitled")
    assert carried_out(folders, "reader").n_queries == N_USERS
    assert carried_out(folders, "popularity", dataset="untitled").n_queries > 0


def test_missing_titles_of_a_source_are_counted_too(folders: Folders) -> None:
    with pytest.raises(BenchError, match=r"6 of the 60 items of 'untitled' have none"):
        carried_out(folders, "reading-learner", sources=("untitled",))


def test_a_source_is_shown_with_its_training_part_alone(folders: Folders) -> None:
    carried_out(folders, "learner", sources=("untitled", "market"))
    ((task, _),) = Spy.seen
    assert [source.name for source in task.sources] == ["market", "untitled"]
    whole = Tasks(folders, quiet).prepared(ProtocolSpec("market")).domain
    assert task.sources[0].n_interactions == whole.n_interactions - 2 * N_USERS
    assert all(task.sources[0].history(user).tolist() == whole.history(user)[:-2].tolist() for user in range(N_USERS))


def test_a_source_trains_on_no_cold_title_and_the_record_counts_what_is_shared(folders: Folders) -> None:
    cold, warm = (carried_out(folders, "learner", setting, sources=("market",)) for setting in ("cold", "warm"))
    (cold_task, _), (warm_task, _) = Spy.seen
    cold_items = Tasks(folders, quiet).prepared(ProtocolSpec("shop", "cold")).cold_items
    is_cold = cold_items[warm_task.sources[0].items]  # all shops have the same catalogue
    assert cold_task.sources[0].n_interactions == warm_task.sources[0].n_interactions - is_cold.sum()
    assert not cold_items[cold_task.sources[0].items].any()
    assert f"source market: {N_ITEMS // 10} items with a cold item's title not trained on" in cold.warnings
    assert not any("trains on" in warning for warning in cold.warnings)
    (warning,) = (warning for warning in warm.warnings if "trains on" in warning)
    assert warning.startswith(f"source market trains on the titles of {N_USERS} of {N_USERS} test positives, ")
    assert f"{N_USERS} users, {N_ITEMS} items, {N_ITEMS} titles" in warning


@pytest.mark.parametrize(
    ("method", "wanted"), [("popularity", {"dataset": "beaty"}), ("learner", {"sources": ("market", "beaty")})]
)
def test_an_unknown_dataset_says_which_are_near(folders: Folders, method: str, wanted: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match=r"Unknown dataset 'beaty'. Did you mean beauty"):
        carried_out(folders, method, **wanted)
    assert stored_files(folders) == []


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_share_of_the_training_part_leaves_the_queries_and_their_candidates_alone(
    folders: Folders, setting: str
) -> None:
    whole, part = (carried_out(folders, "spy", setting, train_share=share) for share in (1.0, 0.2))
    assert part.id != whole.id
    assert part.candidates_hash == whole.candidates_hash
    (all_of, queries), (few, same_queries) = Spy.seen
    np.testing.assert_array_equal(same_queries.candidates, queries.candidates)
    np.testing.assert_array_equal(same_queries.history_items, queries.history_items)
    np.testing.assert_array_equal(few.validation.history_items, all_of.validation.history_items)
    assert 0.2 <= few.target.n_interactions / all_of.target.n_interactions < 0.3
