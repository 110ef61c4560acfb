"""``bench artifacts``: adapters travel as an archive, and a run elsewhere trains nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.files.archives import write_archive
from bench.files.folders import Folders
from bench.files.hashing import content_hash, file_sha256
from bench.files.store import ArtifactStore
from bench.runs.sharing import adapter_archives
from bench.runs.sharing.adapter_archives import READERS, current_objectives
from tests.support.command_line import Outcome, call_bench
from tests.support.imports import modules_in
from tests.support.shop_toy import write_shop

Bench = Callable[..., Outcome]
Trained = tuple[Folders, tuple[str, ...], Path]
QUICK = (
    "-p",
    "epochs=1",
    "-p",
    "max_examples=16",
    "-p",
    "batch_size=8",
    "-p",
    "n_validation=4",
    "-p",
    "adapted_layers=1",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, pico_encoder_folder: Path) -> Trained:
    """A shop, the words of a run on it that trained two adapters, and the archive of these."""
    root = tmp_path_factory.mktemp("trained")
    write_shop(root / "data")
    write_shop(root / "data", "market", seed=1)
    folders = Folders(root / "cache", root / "results", root / "data")
    words = ("run", "--method", "weight-average", "--dataset", "shop", "--source-datasets", "market", *QUICK)
    words += ("--backbone", str(pico_encoder_folder))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("data", "cache", "results"):
            patch.setenv(f"BENCH_{name.upper()}", str(root / name))
        done = call_bench(words)
        assert done.code == 0, done
        exported = call_bench(("artifacts", "export", "weight-average@shop@warm", str(root / "adapters.zip")))
        assert exported.code == 0, exported
        assert "adapters, 0." in exported.stderr
    return folders, words, root / "adapters.zip"


@pytest.fixture
def elsewhere(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """The same data on another machine, with an empty cache."""
    there = dataclasses.replace(trained[0], cache_dir=tmp_path / "cache", results_dir=tmp_path / "results")
    for name, folder in (("DATA", there.data_dir), ("CACHE", there.cache_dir), ("RESULTS", there.results_dir)):
        monkeypatch.setenv(f"BENCH_{name}", str(folder))
    return there


@pytest.fixture
def archive(trained: Trained, tmp_path: Path) -> Path:
    return Path(shutil.copy(trained[2], tmp_path))


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}


def states(*words: object) -> list[str]:
    outcome = call_bench(["artifacts", "import", *map(str, words), "--json"])
    assert outcome.code == 0, outcome
    return [one["state"] for one in json.loads(outcome.stdout)]


def n_cached(folders: Folders) -> int:
    return len(list(folders.cache_dir.glob("adapters/*/made.json")))


def test_imported_adapters_are_used_and_give_the_same_ranks(
    trained: Trained, elsewhere: Folders, archive: Path
) -> None:
    folders, words, _ = trained
    found = states(archive)
    assert set(found) == {"imported"}
    assert len(found) == n_cached(folders) == n_cached(elsewhere) >= 2
    again = call_bench((*words, "--json"))
    assert "training an adapter" not in again.stderr
    (record,) = (json.loads(path.read_text()) for path in folders.results_dir.glob("runs/*/run.json"))
    assert json.loads(again.stdout)["ranks_sha256"] == record["ranks_sha256"]
    assert set(states(archive)) == {"cached already"}
    assert list(ArtifactStore(elsewhere.cache_dir).damaged()) == []


def test_adapters_that_come_with_bench_are_used_and_exported_without_training(
    trained: Trained, elsewhere: Folders, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, words, _ = trained
    shutil.copytree(folders.cache_dir / "adapters", tmp_path / "shipped" / "adapters")
    monkeypatch.setattr("bench.files.folders.shipped_folder", lambda _kind: tmp_path / "shipped")
    exported = tmp_path / "again.zip"
    shutil.copytree(folders.results_dir, elsewhere.results_dir)
    assert call_bench(["artifacts", "export", "weight-average@shop@warm", str(exported)]).code == 0
    assert members_of(exported) == members_of(archive)
    outcome = call_bench((*words, "--rescore", "--json"))
    assert "training an adapter" not in outcome.stderr
    (record,) = (json.loads(path.read_text()) for path in folders.results_dir.glob("runs/*/run.json"))
    assert json.loads(outcome.stdout)["ranks_sha256"] == record["ranks_sha256"]
    assert "training an adapter" in call_bench((*words, "--force", "--json")).stderr


def test_both_spellings_are_accepted(elsewhere: Folders, archive: Path) -> None:
    outcome = call_bench(["artefacts", "import", str(archive)])
    assert outcome.code == 0
    assert outcome.stdout.count(": imported\n") == n_cached(elsewhere)


def forged(archive: Path, change: Callable[[dict[str, bytes], str], None]) -> Path:
    """Change the files of the first adapter and give the archive the right hashes, as a forger would."""
    members = members_of(archive)
    change(members, sorted(members)[0].split("/")[1])
    write_archive(archive, "adapters", members, {})
    return archive


def flip_weights(members: dict[str, bytes], adapter: str) -> None:
    name = f"adapters/{adapter}/adapter.safetensors"
    content = bytearray(members[name])
    content[-1] ^= 1
    members[name] = bytes(content)


def edit_key(members: dict[str, bytes], adapter: str) -> None:
    name = f"adapters/{adapter}/made.json"
    made = json.loads(members[name])
    members[name] = json.dumps({**made, "key": {**made["key"], "seed": 7}}).encode()


def drop_weights(members: dict[str, bytes], adapter: str) -> None:
    del members[f"adapters/{adapter}/adapter.safetensors"]


def spoil_json(members: dict[str, bytes], adapter: str) -> None:
    members[f"adapters/{adapter}/made.json"] = b"[1]"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flip_weights, "adapter.safetensors is not what was written"),
        (edit_key, "its key is that of another"),
        (drop_weights, "it has other files than its made.json lists"),
        (spoil_json, "TypeError"),
    ],
)
def test_an_adapter_that_is_not_what_it_states_is_refused_and_nothing_imported(
    elsewhere: Folders, archive: Path, change: Any, said: str
) -> None:
    outcome = call_bench(["artifacts", "import", str(forged(archive, change))])
    assert outcome.code == 2
    assert said in outcome.stderr
    assert "bench-archive-" not in outcome.stderr
    assert n_cached(elsewhere) == 0


def test_adapters_of_other_code_are_named_and_not_imported(
    elsewhere: Folders, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_archives, "current_objectives", lambda: frozenset({"towers, revision 0"}))
    found = states(archive)
    assert all(state.startswith("not imported, trained by another version of the code (towers") for state in found)
    assert n_cached(elsewhere) == 0


def test_a_cached_adapter_is_kept_if_the_archive_has_another(elsewhere: Folders, archive: Path) -> None:
    states(archive)

    def retrained(members: dict[str, bytes], adapter: str) -> None:
        start = f"adapters/{adapter}/"
        weights = bytearray(members[f"{start}adapter.safetensors"])
        weights[-1] ^= 1
        members[f"{start}adapter.safetensors"] = bytes(weights)
        path = elsewhere.cache_dir / "weights"
        path.write_bytes(weights)
        facts = {**json.loads(members[f"{start}adapter.json"]), "sha256": file_sha256(path)}
        members[f"{start}adapter.json"] = json.dumps(facts).encode()
        (elsewhere.cache_dir / "facts").write_bytes(members[f"{start}adapter.json"])
        hashes = {"adapter.safetensors": file_sha256(path), "adapter.json": file_sha256(elsewhere.cache_dir / "facts")}
        made = json.loads(members[f"{start}made.json"])
        members[f"{start}made.json"] = json.dumps({**made, "files": hashes}).encode()

    assert states(forged(archive, retrained))[0] == "not imported, the cached one differs"


def test_runs_without_adapters_and_untrained_ones_have_nothing_to_export(
    trained: Trained, elsewhere: Folders, tmp_path: Path
) -> None:
    call_bench(["run", "--method", "popularity", "--dataset", "shop"])
    outcome = call_bench(["artifacts", "export", "popularity@shop@warm", str(tmp_path / "x.zip")])
    assert "These runs need no adapters" in outcome.stderr
    shutil.copytree(trained[0].results_dir, elsewhere.results_dir, dirs_exist_ok=True)
    outcome = call_bench(["artifacts", "export", "weight-average@shop@warm", str(tmp_path / "x.zip")])
    assert "adapters are not trained yet, the first of them on" in outcome.stderr
    assert not (tmp_path / "x.zip").exists()
    assert "must end in .zip" in call_bench(["artifacts", "export", "one", "two"]).mistake


def test_every_class_that_trains_adapters_is_known() -> None:
    root = Path(__file__).parents[2]
    stating = {name for name, path in modules_in(root).items() if "\n    objective = " in path.read_text("utf-8")}
    assert stating == set(READERS)
    assert len(current_objectives()) >= len(READERS)
    assert all(", revision " in objective for objective in current_objectives())


def test_ids_are_the_hashes_of_keys(archive: Path) -> None:
    made = {name.split("/")[1]: json.loads(text) for name, text in members_of(archive).items() if "made" in name}
    assert made
    assert all(content_hash(one["key"]) == adapter for adapter, one in made.items())
