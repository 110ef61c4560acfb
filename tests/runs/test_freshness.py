"""A stored run is used again only while its data, its backbone and its code are what it was made from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.files import revisions
from bench.files.folders import Folders
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.record import SCHEMA_VERSION, RunRecord
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from tests.support.own_plugin import OwnPlugin, new_session, own_plugin
from tests.support.shop_toy import write_shop
from tests.support.text_toys import save_pico_encoder

OWN = "own_plugin_package.method"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    write_shop(tmp_path / "data")
    write_shop(tmp_path / "data", "market", seed=1)
    return Folders(tmp_path / "cache", tmp_path / "results", tmp_path / "data")


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[OwnPlugin]:
    with own_plugin(tmp_path) as installed:
        yield installed


def carried_out(folders: Folders, method: str = "popularity", **wanted: object) -> tuple[RunRecord, str]:
    """Run a method on the shop; return the record and the last line of progress."""
    lines: list[str] = []
    spec = complete(RunRequest(method, "shop", **wanted))  # type: ignore[arg-type]
    return run(spec, folders, lines.append), lines[-1]


def superseded(folders: Folders, record: RunRecord) -> list[RunRecord]:
    paths = sorted((folders.results_dir / "superseded" / record.id).glob("*/run.json"))
    return [RunRecord.from_json(json.loads(path.read_text())) for path in paths]


def rewrite(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_a_flipped_sign_in_a_plugin_makes_the_run_again(plugin: OwnPlugin, folders: Folders) -> None:
    first, _ = carried_out(folders, "own")
    plugin.edit("method", "sign() * self", "-sign() * self")
    lines: list[str] = []
    second = run(first.spec, folders, lines.append)
    assert second.metrics["ndcg@1"] != first.metrics["ndcg@1"]
    said = [line for line in lines if "running it again" in line]
    assert len(said) == 1
    assert f"run {first.id} is stored, but the code of the method changed (under work " in said[0]
    assert superseded(folders, first) == [first]
    assert RunStore(folders.results_dir).records() == [second]
    assert said[0] in (RunStore(folders.results_dir).log(second) or "")  # the kept log says why as well


def test_so_does_an_edit_of_a_module_that_the_plugin_shares(plugin: OwnPlugin, folders: Folders) -> None:
    first, _ = carried_out(folders, "own")
    plugin.edit("helping", "return 1", "return -1")
    assert carried_out(folders, "own")[0].metrics != first.metrics


def test_a_comment_or_a_docstring_does_not(plugin: OwnPlugin, folders: Folders) -> None:
    first, _ = carried_out(folders, "own")
    plugin.edit("method", "# of the training part", "# of all that is trained on")
    plugin.edit("helping", "Which way to rank.", "Upwards.")
    second, said = carried_out(folders, "own")
    assert second == first
    assert "reusing stored run" in said
    assert superseded(folders, first) == []


def test_a_replaced_dataset_makes_the_run_again(folders: Folders) -> None:
    first, _ = carried_out(folders)
    for name in ("interactions.csv", "items.csv"):
        (folders.data_dir / "shop" / name).write_text((folders.data_dir / "market" / name).read_text())  # type: ignore[operator]
    second, _ = carried_out(folders)
    assert second.data != first.data
    assert second.candidates_hash != first.candidates_hash
    assert superseded(folders, first) == [first]


def test_one_changed_title_does_so_although_popularity_reads_none(folders: Folders) -> None:
    first, _ = carried_out(folders)
    rewrite(folders.data_dir / "shop" / "items.csv", "Article number 7", "Article with a new name")  # type: ignore[operator]
    lines: list[str] = []
    second = run(first.spec, folders, lines.append)
    assert second.data != first.data
    assert any("the data of 'shop' changed" in line for line in lines)


def test_a_changed_source_domain_does_so_though_the_candidates_are_the_same(
    folders: Folders, pico_encoder_folder: Path
) -> None:
    wanted = {
        "sources": ("market",),
        "backbone": str(pico_encoder_folder),
        "params": {"max_examples": 8, "epochs": 1},
    }
    first, _ = carried_out(folders, "reccocktail-g", **wanted)
    rewrite(folders.data_dir / "market" / "items.csv", "Article number 7", "Article with a new name")  # type: ignore[operator]
    second, _ = carried_out(folders, "reccocktail-g", **wanted)
    assert second.candidates_hash == first.candidates_hash
    assert second.data["shop"] == first.data["shop"]
    assert second.data["market"] != first.data["market"]


def test_other_weights_or_another_tokenizer_in_a_backbones_folder_do_so(folders: Folders, tmp_path: Path) -> None:
    folder = save_pico_encoder(tmp_path / "encoder")
    first, _ = carried_out(folders, "text-knn", backbone=str(folder))
    rewrite(folder / "tokenizer.json", '"99": 163', '"9x": 163')
    second, _ = carried_out(folders, "text-knn", backbone=str(folder))
    assert second.backbone != first.backbone
    assert superseded(folders, first) == [first]


def test_a_raised_revision_makes_the_run_again(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = carried_out(folders)
    assert first.revisions == {"method": 1, "protocol": 1}
    stated = json.loads(revisions.MANIFEST.read_text(encoding="utf-8"))
    stated["revisions"]["bench.baselines.controls"] = 2
    (tmp_path / "revisions.json").write_text(json.dumps(stated), encoding="utf-8")
    monkeypatch.setattr(revisions, "MANIFEST", tmp_path / "revisions.json")
    new_session()
    lines: list[str] = []
    second = run(first.spec, folders, lines.append)
    monkeypatch.undo()
    new_session()
    assert second.revisions["method"] == 2
    assert any("the code of the method changed (revision 1, now revision 2)" in line for line in lines)


def test_a_record_that_does_not_state_its_data_and_code_is_not_used_again(folders: Folders) -> None:
    first, _ = carried_out(folders)
    path = RunStore(folders.results_dir).path(first.id) / "run.json"
    fields = json.loads(path.read_text())
    older = {name: value for name, value in fields.items() if name not in ("data", "revisions", "schema_version")}
    path.write_text(json.dumps(older))
    assert RunStore(folders.results_dir).load(first.id).schema_version == 1
    lines: list[str] = []
    second = run(first.spec, folders, lines.append)
    assert any("its record does not state the data of 'shop'" in line for line in lines)
    assert second.schema_version == SCHEMA_VERSION
    assert len(superseded(folders, first)) == 1


def test_without_the_data_at_hand_a_stored_run_is_shown_unchecked(folders: Folders, tmp_path: Path) -> None:
    first, _ = carried_out(folders)
    (tmp_path / "empty").mkdir()
    elsewhere = dataclasses.replace(folders, data_dir=tmp_path / "empty", cache_dir=tmp_path / "other cache")
    second, said = carried_out(elsewhere)
    assert second == first
    assert "data not checked: " in said


def test_known_changes_of_the_code_count_without_the_data_too(
    plugin: OwnPlugin, folders: Folders, tmp_path: Path
) -> None:
    carried_out(folders, "own")
    plugin.edit("method", "sign() * self", "-sign() * self")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match="shop"):
        carried_out(dataclasses.replace(folders, data_dir=tmp_path / "empty"), "own")


def test_a_record_of_a_younger_bench_is_refused(folders: Folders) -> None:
    first, _ = carried_out(folders)
    path = RunStore(folders.results_dir).path(first.id) / "run.json"
    fields = {**json.loads(path.read_text()), "schema_version": SCHEMA_VERSION + 1}
    path.write_text(json.dumps(fields))
    with pytest.raises(BenchError, match="upgrade bench"):
        carried_out(folders)
