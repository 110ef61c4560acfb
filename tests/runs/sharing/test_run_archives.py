from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.errors import BenchError
from bench.files.archives import write_archive
from bench.metrics import Ranks, Tops
from bench.runs.packs import write_packs
from bench.runs.record import RunRecord, with_metrics
from bench.runs.sharing import run_archives
from bench.runs.sharing.run_archives import export_runs, import_runs, verified_runs
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


@pytest.fixture
def records(run_store: RunStore, save_run: Save) -> list[RunRecord]:
    """Three runs whose metrics follow from their ranks; one stores what it ranked first."""
    topped = save_run("sasrec", [5, 0, 29])
    tops = Tops(np.array([3, 1, 2], np.int32), np.array([0.5, 7, 8], np.float32), np.array([1, 2, 3], np.int32))
    run_store.save(topped, *run_store.ranks(topped.id), tops)
    save_run("bpr", [0, 3, 1], tied=[1, 0, 2])
    save_run("fmlp", [3, 4, 5])
    for record in run_store.records():
        run_store.rewrite(with_metrics(record, run_store.queries_of(record).ranks))
    return run_store.records()


@pytest.fixture
def path(run_store: RunStore, records: list[RunRecord], tmp_path: Path) -> Path:
    export_runs(run_store, records, tmp_path / "results.zip")
    return tmp_path / "results.zip"


@pytest.fixture
def theirs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "theirs")


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}


def forged(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Change the files of an archive and give it a manifest with their right hashes, as a forger would."""
    members = members_of(path)
    change(members)
    write_archive(path, "runs", members, {})
    return path


def edit_record(path: Path, record: RunRecord, **fields: Any) -> Path:
    def change(members: dict[str, bytes]) -> None:
        name = f"runs/{record.id}/run.json"
        members[name] = json.dumps({**json.loads(members[name]), **fields}).encode()

    return forged(path, change)


def replace_ranks(path: Path, record: RunRecord, columns: dict[str, Any], folder: Path) -> Path:
    pq.write_table(pa.table(columns), folder / "forged.parquet")

    def change(members: dict[str, bytes]) -> None:
        (name,) = [name for name in members if name.startswith(f"runs/{record.id}/ranks")]
        members[name] = (folder / "forged.parquet").read_bytes()

    return forged(path, change)


def refusal(path: Path, store: RunStore) -> str:
    with pytest.raises(BenchError) as caught:
        import_runs(path, store)
    assert store.ids() == []
    return str(caught.value)


def test_runs_come_back_as_they_were(
    run_store: RunStore, records: list[RunRecord], path: Path, theirs: RunStore
) -> None:
    found = import_runs(path, theirs)
    assert sorted(record.id for record in found.new) == sorted(record.id for record in records)
    assert theirs.records() == records
    for record in records:
        before, after = run_store.queries_of(record).columns(), theirs.queries_of(record).columns()
        assert list(after) == list(before)
        assert all(np.array_equal(after[name], before[name]) for name in before)


def test_loose_and_packed_runs_give_equal_archives(
    run_store: RunStore, records: list[RunRecord], path: Path, tmp_path: Path
) -> None:
    packed = RunStore(tmp_path / "packed")
    write_packs(packed.results_dir, {"all": records}, run_store.queries)
    export_runs(packed, packed.records(), tmp_path / "packed.zip")
    assert (tmp_path / "packed.zip").read_bytes() == path.read_bytes()


def test_a_second_import_changes_nothing(path: Path, theirs: RunStore) -> None:
    import_runs(path, theirs)
    before = {file: file.read_bytes() for file in theirs.results_dir.rglob("*") if file.is_file()}
    again = import_runs(path, theirs)
    assert (len(again.new), len(again.same), len(again.conflicts)) == (0, 3, 0)
    assert {file: file.read_bytes() for file in theirs.results_dir.rglob("*") if file.is_file()} == before


def test_a_conflict_is_named_and_nothing_is_imported(
    run_store: RunStore, records: list[RunRecord], path: Path, theirs: RunStore
) -> None:
    mine = records[0]
    other = Ranks(np.array([9, 9, 9], np.int16), np.zeros(3, np.int16))
    theirs.save(with_metrics(mine, other), run_store.queries_of(mine).users, other)
    kept = theirs.load(mine.id)
    with pytest.raises(BenchError, match=rf"{mine.token} \({mine.id}\) differs from the stored"):
        import_runs(path, theirs)
    assert theirs.ids() == [mine.id]
    found = import_runs(path, theirs, skip_conflicts=True)
    assert [one.id for one in found.conflicts] == [mine.id]
    assert (len(found.new), len(found.same)) == (2, 0)
    assert RunStore(theirs.results_dir).load(mine.id) == kept


def test_a_run_repeated_on_the_same_data_and_code_is_no_conflict(
    run_store: RunStore, records: list[RunRecord], path: Path, theirs: RunStore
) -> None:
    queries = run_store.queries_of(records[0])
    later = dataclasses.replace(records[0], created="2027-01-01T00:00:00+00:00", seconds={"fit": 1.0})
    theirs.save(later, queries.users, queries.ranks, queries.tops)
    assert [one.id for one in import_runs(path, theirs).same] == [records[0].id]


def test_other_code_is_a_conflict(run_store: RunStore, records: list[RunRecord], path: Path, theirs: RunStore) -> None:
    queries = run_store.queries_of(records[0])
    other = dataclasses.replace(records[0], revisions={"method": 9, "protocol": 1})
    theirs.save(other, queries.users, queries.ranks, queries.tops)
    with pytest.raises(BenchError, match="differs from the stored"):
        import_runs(path, theirs)


def test_forged_metrics_are_refused_by_name(records: list[RunRecord], path: Path, theirs: RunStore) -> None:
    high = {"ndcg@3": {"value": 0.99, "low": 0.98, "high": 1.0}}
    said = refusal(edit_record(path, records[0], metrics=high), theirs)
    assert f"run {records[0].id} ({records[0].token}) states ndcg@3 value 0.99, its ranks give 0." in said


def test_another_spec_under_the_same_id_is_refused(records: list[RunRecord], path: Path, theirs: RunStore) -> None:
    spec = json.loads(members_of(path)[f"runs/{records[0].id}/run.json"])["spec"]
    assert "its spec is that of run" in refusal(edit_record(path, records[0], spec={**spec, "seed": 5}), theirs)


def test_forged_ranks_are_refused(records: list[RunRecord], path: Path, theirs: RunStore, tmp_path: Path) -> None:
    best = {"query": [0, 1, 2], "better": [0, 0, 0], "tied": [0, 0, 0]}
    said = refusal(replace_ranks(path, records[0], best, tmp_path), theirs)
    assert "its SHA-256 is not the one that its record states" in said
    assert str(path) in said
    assert "bench-archive-" not in said
    assert "Remove its directory" not in said


def test_a_small_file_of_many_rows_is_refused_before_it_is_read(
    records: list[RunRecord], path: Path, theirs: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {name: np.zeros(1_000_000, np.int64) for name in ("query", "better", "tied")}
    assert "have 1,000,000 rows, its record 3" in refusal(replace_ranks(path, records[0], many, tmp_path), theirs)
    monkeypatch.setattr(run_archives, "MOST_QUERIES", 2)
    few = {"query": [0, 1, 2], "better": [0, 0, 0], "tied": [0, 0, 0]}
    assert "states 3 queries, more than 2" in refusal(replace_ranks(path, records[0], few, tmp_path), theirs)


def test_unexpected_columns_are_refused(records: list[RunRecord], path: Path, theirs: RunStore, tmp_path: Path) -> None:
    odd = {"query": [0, 1, 2], "better": [0, 0, 0], "tied": [0, 0, 0], "payload": ["x" * 1000] * 3}
    assert "unexpected columns" in refusal(replace_ranks(path, records[0], odd, tmp_path), theirs)


def test_a_dataset_that_is_a_path_and_endless_candidates_are_refused(save_run: Save, tmp_path: Path) -> None:
    store, theirs = RunStore(tmp_path / "results"), RunStore(tmp_path / "theirs")
    save_run("bpr", [0, 3, 1], dataset="../../etc")
    export_runs(store, store.records(), tmp_path / "results.zip")
    assert "not a valid dataset name" in refusal(tmp_path / "results.zip", theirs)
    catalogue = {"n_items": 10**12, "mean_candidates": 1.0}
    monstrous = dataclasses.replace(save_run("bpr", [0, 3, 1]), catalogue=catalogue)
    store.rewrite(monstrous)
    export_runs(store, [monstrous], tmp_path / "results.zip")
    assert "1,000,000,000,000 candidates, more than" in refusal(tmp_path / "results.zip", theirs)


def test_an_archive_without_runs_is_refused(run_store: RunStore, theirs: RunStore, tmp_path: Path) -> None:
    export_runs(run_store, [], tmp_path / "empty.zip")
    assert "contains no runs" in refusal(tmp_path / "empty.zip", theirs)


def test_verified_runs_can_be_read_and_are_gone_afterwards(path: Path, records: list[RunRecord]) -> None:
    with verified_runs(path) as store:
        assert store.records() == records
        folder = store.results_dir
    assert not folder.exists()
