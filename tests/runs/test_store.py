from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bench.runs.store
from bench.errors import BenchError, BenchWarning
from bench.files.owner import Owner
from bench.metrics import DEFAULT_METRICS, Metric, Ranks, Tops, per_user
from bench.plugin import FitReport
from bench.runs.record import RunRecord, describe_variant, summarize
from bench.runs.store import RunStore
from bench.runs.verify import verify_runs
from bench.spec import ProtocolSpec, RunSpec, spec_from_json, spec_to_json

Save = Callable[..., RunRecord]


def test_a_record_reads_back_as_it_was_saved(run_store: RunStore, save_run: Save) -> None:
    saved = save_run(
        "reccocktail",
        [0, 2, 5],
        setting="cold",
        sources=("clothing", "health"),
        backbone="tiny",
        overrides={"layers": 4},
        family="merging",
        seconds={"fit": 1.5},
        peak_memory_bytes={"fit": 1024},
        versions={"numpy": "2"},
        git={"commit": "abc", "dirty": False},
        toy=True,
        fit=FitReport(trained_parameters=3, extra={"weights": [0.5, 0.5]}),
        notes=["a note"],
        warnings=["a warning"],
    )
    assert run_store.load(saved.id) == saved


def test_ranks_read_back_with_their_users(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0, 3], tied=[1, 0], users=[17, 4])
    users, ranks = run_store.ranks(saved.id)
    assert users.tolist() == [17, 4]
    assert (ranks.better.tolist(), ranks.tied.tolist()) == ([0, 3], [1, 0])
    assert (users.dtype, ranks.better.dtype) == (np.int64, np.int16)


def test_what_was_ranked_first_reads_back_beside_the_ranks(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0, 3], users=[17, 4])
    tops = Tops(np.array([5, 70_000], np.int32), np.array([2.5, 0], np.float32), np.array([9, 100_000], np.int32))
    users, ranks = run_store.ranks(saved.id)
    saved = run_store.save(saved, users, ranks, tops)
    read = run_store.tops(saved.id)
    assert read is not None
    for name in ("top_item", "top_count", "positive_count"):
        np.testing.assert_array_equal(getattr(read, name), getattr(tops, name))
        assert getattr(read, name).dtype == getattr(tops, name).dtype
    again_users, again = run_store.ranks(saved.id)
    assert (again_users.tolist(), again.better.tolist()) == ([17, 4], [0, 3])


def test_a_run_from_before_the_top_was_stored_has_none(run_store: RunStore, save_run: Save) -> None:
    assert run_store.tops(save_run("bpr", [0, 3]).id) is None
    shipped = RunStore(Path(bench.runs.store.__file__).parents[2] / "results/measured")
    assert shipped.tops(shipped.find("sasrec@toys@warm").id) is None


def test_as_many_tops_as_ranks_are_wanted(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0, 3])
    one = Tops(np.zeros(1, np.int32), np.zeros(1, np.float32), np.zeros(1, np.int32))
    with pytest.raises(ValueError, match="1 tops for 2 ranks"):
        run_store.save(saved, *run_store.ranks(saved.id), one)
    assert run_store.exists(saved.id)


def test_the_file_holds_a_flat_spec_and_plain_values(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0, 3], setting="cold", seed=3)
    content = json.loads((run_store.path(saved.id) / "run.json").read_text())
    assert set(content) == {item.name for item in dataclasses.fields(RunRecord)} - {"threads"}
    spec = content["spec"]
    assert (spec["method"], spec["dataset"], spec["setting"], spec["policy"]) == ("bpr", "beauty", "cold", "holdout")
    assert (spec["seed"], spec["protocol_seed"]) == (3, 0)
    assert set(content["metrics"]["ndcg@1"]) == {"value", "low", "high"}


def test_a_spec_survives_the_way_through_json_with_its_hash() -> None:
    protocol = ProtocolSpec("beauty", "cold", "natural", seed=4)
    options: dict[str, Any] = {"backbone": "minilm", "ranking": "generate", "limit_queries": 500}
    spec = RunSpec("weaverec", protocol, {"rank": 16}, seed=2, sources=("sports",), **options)
    few = dataclasses.replace(spec, train_users=50, train_subset=3)
    changes: tuple[dict[str, Any], ...] = ({"engine": "vllm"}, {"train_share": 0.1}, {"limit_validation": 9})
    for one in (spec, few, *(dataclasses.replace(spec, **change) for change in changes)):
        again = spec_from_json(json.loads(json.dumps(spec_to_json(one))))
        assert again == one
        assert again.hash() == one.hash()


def test_a_record_from_before_there_were_shares_and_engines_reads_as_it_was() -> None:
    spec = RunSpec("tallrec", ProtocolSpec("beauty"), backbone="tiny")
    fields = spec_to_json(spec)
    for later in ("train_share", "engine", "train_users", "train_subset", "limit_validation"):
        del fields[later]
    assert spec_from_json(fields) == spec


def test_a_run_that_cannot_be_written_leaves_the_earlier_one_as_it_was(
    run_store: RunStore, save_run: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save_run("bpr", [0, 3])
    assert run_store.exists(saved.id)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(bench.runs.store, "write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        save_run("bpr", [5, 5])
    assert run_store.records() == [saved]
    assert run_store.ranks(saved.id)[1].better.tolist() == [0, 3]
    assert [path.name for path in (run_store.results_dir / "runs").iterdir()] == [saved.id]


def test_a_folder_that_a_killed_process_left_is_no_run(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0, 3])
    folder = run_store.path(saved.id)
    shutil.copytree(folder, folder.parent / f".{saved.id}.abc")
    assert run_store.records() == [saved]


def test_users_and_ranks_must_be_as_many_as_the_record_says(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0, 3])
    with pytest.raises(ValueError, match="3 users"):
        run_store.save(saved, np.arange(3), Ranks(np.zeros(2, np.int16), np.zeros(2, np.int16)))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"id": "x", "spec": {}}', "\xff"])
def test_a_record_that_cannot_be_read_is_named_and_blocks_no_other(
    run_store: RunStore, save_run: Save, content: str
) -> None:
    whole, broken = save_run("bpr", [0]), save_run("random", [0])
    (run_store.path(broken.id) / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(BenchError, match=r"Cannot read .*run\.json"):
        run_store.load(broken.id)
    with pytest.warns(BenchWarning, match=rf"A run is left out\. Cannot read .*{broken.id}/run\.json"):
        assert run_store.records() == [whole]


WRONG_FIELDS: dict[str, Any] = {
    "metrics": [None, "text", {"ndcg@1": None}, {"ndcg@1": {"value": "high"}}],
    "fit": [None, [], {"training": {"epochs": "many"}}],
    "overrides": [None, []],
    "n_queries": [None, "many", 0, -1, 2.5],
    "tie_rate": [None, "none"],
    "created": [None, 5],
    "family": [None, {}],
    "seconds": [None, {"fit": None}],
    "candidates_hash": [None, "", 7],
    "catalogue": [{}, [], {"n_items": 0}, {"n_items": "all"}],
    "ranks_sha256": [None, ""],
    "toy": [None, 1],
    "backbone": ["tiny", {}],
    "revisions": [[], {"method": None}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG_FIELDS for value in WRONG_FIELDS[name]])
def test_a_field_of_another_type_is_a_record_that_cannot_be_read(
    run_store: RunStore, save_run: Save, name: str, value: Any
) -> None:
    saved = save_run("bpr", [0])
    path = run_store.path(saved.id) / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(BenchError, match=r"Cannot read .*run\.json"):
        run_store.load(saved.id)


@pytest.mark.parametrize(
    ("name", "value"), [("method", "sasrec"), ("seed", 3), ("n_negatives", 0), ("n_negatives", "30"), ("params", None)]
)
def test_a_spec_that_is_not_the_one_of_its_id_is_refused(
    run_store: RunStore, save_run: Save, name: str, value: Any
) -> None:
    saved = save_run("bpr", [0])
    path = run_store.path(saved.id) / "run.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "spec": {**fields["spec"], name: value}}))
    with pytest.raises(BenchError, match=r"Cannot read .*run\.json"):
        run_store.load(saved.id)


def test_a_record_in_another_runs_folder_is_named(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0])
    run_store.path(saved.id).rename(run_store.path("0123456789abcdef"))
    with pytest.raises(BenchError, match=f"it says id '{saved.id}'"):
        run_store.load("0123456789abcdef")


def ranks_file(store: RunStore, record: RunRecord) -> Path:
    (path,) = store.path(record.id).glob("ranks-*.parquet")
    return path


def test_missing_runs_and_ranks_are_named(run_store: RunStore, save_run: Save) -> None:
    with pytest.raises(BenchError, match="No run 'feed'"):
        run_store.load("feed")
    saved = save_run("bpr", [0])
    path = ranks_file(run_store, saved)
    path.write_bytes(b"nothing")
    with pytest.raises(
        BenchError, match=rf"Cannot read .*{path.name} \(ValueError: ArrowInvalid.*run the method again"
    ):
        run_store.ranks(saved.id)
    path.unlink()
    with pytest.raises(BenchError, match=rf"Cannot read .*{path.name} \(FileNotFoundError"):
        run_store.ranks(saved.id)


COLUMNS: list[dict[str, list[Any]]] = [
    {"query": [0, 1], "better": [0, 0], "tied": [0, 0]},
    {"query": [0, 1], "better": [0, 99], "tied": [0, 0]},
    {"query": [0, 1], "better": [0, -1], "tied": [0, 0]},
    {"query": [0, 1], "better": [0, 1.5], "tied": [0, 0]},
    {"query": [0, 1], "better": ["a", "b"], "tied": [0, 0]},
    {"query": [0, 1], "better": [None, 1], "tied": [0, 0]},
    {"query": [0], "better": [0], "tied": [0]},
    {"query": [0, 1], "better": [0, 3]},
    {"query": [], "better": [], "tied": []},
]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("states_ranks", [True, False])
def test_ranks_that_are_not_those_that_were_stored_are_refused(
    run_store: RunStore, save_run: Save, columns: dict[str, list[Any]], states_ranks: bool
) -> None:
    saved = save_run("bpr", [0, 3])
    pq.write_table(pa.table(columns), ranks_file(run_store, saved))
    if not states_ranks:
        saved = dataclasses.replace(saved, ranks_sha256="", schema_version=2)
        run_store.rewrite(saved)
        ranks_file(run_store, saved).rename(run_store.path(saved.id) / "ranks.parquet")
    if states_ranks or columns != COLUMNS[0]:  # of older runs, nothing tells one possible rank from another
        with pytest.raises(BenchError, match=r"Cannot read .*\.parquet"):
            run_store.queries_of(saved)


def test_a_run_from_before_its_record_stated_its_ranks_reads_as_it_did(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0, 3])
    older = dataclasses.replace(saved, ranks_sha256="", schema_version=2)
    ranks_file(run_store, saved).rename(run_store.path(saved.id) / "ranks.parquet")
    run_store.rewrite(older)
    assert run_store.records() == [older]
    assert run_store.ranks(saved.id)[1].better.tolist() == [0, 3]
    assert save_run("bpr", [0, 4]).ranks_sha256 != saved.ranks_sha256
    assert not (run_store.path(saved.id) / "ranks.parquet").exists()


def test_a_reader_of_a_run_that_was_made_again_meanwhile_never_mixes_the_two(
    run_store: RunStore, save_run: Save
) -> None:
    first = save_run("bpr", [0, 3])
    second = save_run("bpr", [9, 9])
    with pytest.raises(BenchError, match="Cannot read"):
        run_store.queries_of(first)
    assert run_store.queries_of(second).ranks.better.tolist() == [9, 9]
    assert {path.name for path in run_store.path(second.id).iterdir()} == {
        "run.json",
        f"ranks-{second.ranks_sha256[:16]}.parquet",
    }


def write_again_and_again(folder: Path, saved: RunRecord, better: int) -> None:
    store, users = RunStore(folder), np.arange(3)
    for _ in range(15):
        store.save(saved, users, Ranks(np.full(3, better, np.int16), np.zeros(3, np.int16)))


def test_two_writers_of_one_run_never_leave_the_record_of_one_with_the_ranks_of_the_other(
    run_store: RunStore, save_run: Save
) -> None:
    saved = save_run("bpr", [0, 0, 0])
    writers = [Thread(target=write_again_and_again, args=(run_store.results_dir, saved, better)) for better in (1, 2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        run_store.queries(saved.id)
    assert run_store.queries(saved.id).sha256() == run_store.load(saved.id).ranks_sha256
    assert len(list(run_store.path(saved.id).iterdir())) == 2


def test_records_come_in_the_order_of_their_tokens(run_store: RunStore, save_run: Save) -> None:
    for method in ("sasrec", "bpr", "random"):
        save_run(method, [0])
    assert [record.spec.method for record in run_store.records()] == ["bpr", "random", "sasrec"]


def test_a_store_without_runs_has_no_records(run_store: RunStore) -> None:
    assert run_store.records() == []


def test_a_run_is_found_by_the_start_of_its_id_and_by_its_token(run_store: RunStore, save_run: Save) -> None:
    first, second = save_run("bpr", [0]), save_run("bpr", [1], seed=2)
    assert run_store.find(first.id[:6]) == first
    assert run_store.find("bpr@beauty@warm@seed2") == second


@pytest.mark.parametrize("name", ["bpr", "BPR", "bpr@beauty", "bpr@Beauty"])
def test_a_method_or_its_dataset_finds_the_only_run(run_store: RunStore, save_run: Save, name: str) -> None:
    saved = save_run("bpr", [0])
    save_run("random", [1])
    assert run_store.find(name) == saved
    assert run_store.find_seeds(name) == [saved]


def test_the_start_of_a_method_or_setting_finds_nothing(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0])
    for name in ("bp", "bpr@bea", "bpr@beauty@wa"):
        with pytest.raises(BenchError, match=f"No run '{name}'"):
            run_store.find(name)


def test_a_token_without_a_seed_finds_the_only_run(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("recbole:NARM", [0], seed=7)
    assert run_store.find("recbole:NARM@beauty@warm") == saved


def test_an_ambiguous_name_comes_with_a_table_of_the_runs_newest_first(run_store: RunStore, save_run: Save) -> None:
    older = save_run("bpr", [0], created="2026-01-01T10:00:00+00:00")
    newer = save_run("bpr", [1], created="2026-01-02T11:30:00+00:00", overrides={"layers": 3})
    with pytest.raises(BenchError, match="matches 2 runs: give the prefix of one id") as error:
        run_store.find("bpr@beauty@warm")
    head, *rows = (line.split() for line in error.value.choices.splitlines())
    assert head[:3] == ["id", "run", "variant"]
    assert rows == [
        [newer.id, newer.token, "layers=3", "2026-01-02", "11:30"],
        [older.id, older.token, "defaults", "2026-01-01", "10:00"],
    ]


def test_a_long_table_of_choices_is_cut_after_the_newest(run_store: RunStore, save_run: Save) -> None:
    for number in range(23):
        save_run("bpr", [0], overrides={"layers": 3 + number}, created=f"2026-01-{number + 1:02}T00:00:00+00:00")
    with pytest.raises(BenchError) as error:
        run_store.find("bpr@beauty@warm")
    lines = error.value.choices.splitlines()
    assert "2026-01-23" in lines[1]
    assert (len(lines), lines[-1]) == (22, "… and 3 older ones")


def test_a_name_may_be_written_in_any_case_unless_another_run_has_it_exactly(
    run_store: RunStore, save_run: Save
) -> None:
    upper, lower = save_run("recbole:NARM", [0]), save_run("bpr", [0])
    assert run_store.find("RecBole:narm@Beauty@WARM") == upper
    assert run_store.find(lower.id[:5].upper()) == lower


def test_heads_name_and_describe_the_same_runs_as_the_records(run_store: RunStore, save_run: Save) -> None:
    for seed in (0, 1):
        save_run("bpr", [0], seed=seed, overrides={"layers": 3})
    records = {record.id: record for record in run_store.records()}
    for head in run_store.heads():
        record = records[head.id]
        assert (head.token, head.variant, head.spec) == (record.token, "layers=3", record.spec)
        assert (head.created, head.n_queries, head.family) == (record.created, record.n_queries, record.family)
    assert len(run_store.heads()) == 2


def test_a_head_whose_spec_was_edited_is_left_out(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", [0])
    path = run_store.path(saved.id) / "run.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.warns(BenchWarning, match="its spec is that of run"):
        assert run_store.heads() == []


@pytest.mark.parametrize("token", ["brp@beauty@warm@seed0", "ab", ""])
def test_an_unknown_token_is_an_error_of_one_line(run_store: RunStore, save_run: Save, token: str) -> None:
    save_run("bpr", [0])
    with pytest.raises(BenchError, match=f"No run '{token}'") as error:
        run_store.find(token)
    assert "\n" not in str(error.value)
    assert ("bpr@beauty@warm" in str(error.value)) == ("@" in token)


def test_a_variant_is_described_by_what_differs_from_the_defaults(save_run: Save) -> None:
    saved = save_run(
        "reccocktail",
        [0],
        setting="cold",
        policy="natural",
        seed=1,
        sources=("a", "b"),
        backbone="tiny",
        limit_queries=500,
        overrides={"rank": 4},
    )
    assert describe_variant(saved) == "rank=4, tiny, from a+b, natural, seed 1, 500 queries"
    assert describe_variant(saved, of_row=True) == "rank=4, tiny, from a+b"
    assert describe_variant(save_run("bpr", [0])) == ""
    lists = dataclasses.replace(saved.spec, ranking="generate", engine="vllm")
    assert "from a+b, generate, vllm, natural" in describe_variant(dataclasses.replace(saved, spec=lists))


def test_a_summary_holds_means_inside_their_intervals() -> None:
    better = np.random.default_rng(0).integers(0, 30, 500).astype(np.int16)
    ranks = Ranks(better, np.zeros(500, np.int16))
    summary = summarize(ranks)
    assert tuple(summary) == DEFAULT_METRICS
    for name, figures in summary.items():
        assert figures["value"] == pytest.approx(per_user(ranks, Metric.parse(name)).mean())
        assert figures["low"] < figures["value"] < figures["high"]
    assert summary == summarize(ranks)


def test_a_name_without_its_seed_stands_for_all_seeds(run_store: RunStore, save_run: Save) -> None:
    saved = [save_run("bpr", [0, 1], seed=seed) for seed in (1, 0)]
    assert [record.spec.seed for record in run_store.find_seeds("bpr@beauty@warm")] == [0, 1]
    assert run_store.find_seeds("bpr@beauty@warm@seed1") == [saved[0]]
    assert run_store.find_seeds(saved[1].id) == [saved[1]]


def test_runs_that_differ_in_more_than_their_seed_are_still_refused(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1])
    save_run("bpr", [0, 1], seed=1, overrides={"layers": 3})
    with pytest.raises(BenchError, match="matches 2 runs"):
        run_store.find_seeds("bpr@beauty@warm")


def test_what_a_process_left_that_was_killed_after_its_run_was_in_place_goes_at_the_next_use(
    run_store: RunStore, save_run: Save
) -> None:
    saved = save_run("bpr", [0, 3])
    whole = {str(path) for path in run_store.results_dir.rglob("*")}
    (run_store.path(saved.id) / f"ranks-{'0' * 16}.parquet").write_bytes(b"earlier")
    (run_store.results_dir / "runs" / f".{saved.id}.lease").write_text(
        f"{2**22 + 1}-{Owner.this_process().machine} 0123456789abcdef host"
    )
    run_store.tidy(saved)
    assert {str(path) for path in run_store.results_dir.rglob("*")} == whole


def test_the_log_of_a_run_is_kept_beside_its_record_and_stands_in_no_hash(run_store: RunStore, save_run: Save) -> None:
    users, ranks = np.arange(2), Ranks(np.zeros(2, np.int16), np.zeros(2, np.int16))
    without = save_run("bpr", [0, 0])
    assert run_store.log(without) is None
    stored = run_store.save(without, users, ranks, log="0.1 s  fit: epoch 1\n")
    assert stored == without
    assert run_store.log(stored) == "0.1 s  fit: epoch 1\n"
    assert run_store.log_path(stored).parent == run_store.path(stored.id)
    run_store.log_path(stored).write_text("edited")
    assert all(check.passed for check in verify_runs(run_store))


def test_a_run_that_is_made_again_has_a_log_of_its_own(run_store: RunStore, save_run: Save) -> None:
    users, none = np.arange(2), np.zeros(2, np.int16)
    first = run_store.save(save_run("bpr", [0, 0]), users, Ranks(none, none), log="first")
    second = run_store.save(first, users, Ranks(none + 3, none), log="second")
    assert run_store.log(second) == "second"
    assert not run_store.log_path(first).exists()
    run_store.save(first, users, Ranks(none, none))
    assert len(list(run_store.path(first.id).iterdir())) == 2
