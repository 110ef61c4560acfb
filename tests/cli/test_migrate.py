"""``bench migrate``: older records in today's shape, and packs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.files.folders import Folders
from bench.runs.store import RunStore
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
OF_TODAY = ("data", "revisions", "schema_version")


@pytest.fixture
def older_run(bench: Bench, folders: Folders) -> Path:
    """The record of a run, as an older version would have written it."""
    assert bench("run", "--method", "popularity", "--dataset", "shop").code == 0
    (path,) = folders.results_dir.glob("runs/*/run.json")
    fields = json.loads(path.read_text())
    fields["metrics"]["ndcg@1"]["value"] = 1 / 3
    path.write_text(json.dumps({name: value for name, value in fields.items() if name not in OF_TODAY}))
    return path


def test_the_targets_data_follow_from_the_candidates_and_the_code_stays_unknown(bench: Bench, older_run: Path) -> None:
    outcome = bench("migrate")
    assert outcome.stdout == "1 of 1 records were written by an older version.\n"
    fields = json.loads(older_run.read_text())
    assert (fields["schema_version"], list(fields["data"]), fields["revisions"]) == (2, ["shop"], {})
    assert fields["metrics"]["ndcg@1"]["value"] == 0.3333333333
    again = bench("migrate")
    assert again.stdout == "0 of 1 records were written by an older version.\n"


def test_other_candidates_tell_nothing_of_the_data(bench: Bench, older_run: Path) -> None:
    older_run.write_text(older_run.read_text().replace('"candidates_hash": "', '"candidates_hash": "0'))
    bench("migrate")
    assert json.loads(older_run.read_text())["data"] == {}


def test_a_migrated_run_enters_tables_with_a_note_and_is_made_again_by_bench_run(bench: Bench, older_run: Path) -> None:
    bench("migrate")
    note = "Stored before records contained all data and code versions: 1 of 1 runs."
    assert note in bench("table", "--dataset", "shop", "--setting", "warm").stdout
    made = bench("run", "--method", "popularity", "--dataset", "shop")
    assert "its record does not state the code of the method" in made.stderr
    assert note not in bench("table", "--dataset", "shop", "--setting", "warm").stdout


def test_packed_runs_give_the_same_table(bench: Bench, folders: Folders, older_run: Path) -> None:
    bench("run", "--method", "random", "--dataset", "shop")
    bench("migrate")
    words = ("table", "--dataset", "shop", "--setting", "warm", "--format", "json")
    before = bench(*words).stdout
    assert "Packed 2 runs as 1 packs: other." in bench("migrate", "--pack").stdout
    assert not list(folders.results_dir.glob("runs/*"))
    assert bench(*words).stdout == before
    assert len(RunStore(folders.results_dir).records()) == 2


def test_a_table_says_which_data_it_did_not_compare(bench: Bench, folders: Folders, tmp_path: Path) -> None:
    bench("run", "--method", "popularity", "--dataset", "shop")
    words = ("table", "--dataset", "shop", "--setting", "warm")
    assert "data not checked" not in bench(*words).stderr
    elsewhere = bench(*words, "--cache-dir", tmp_path / "cache")
    assert "data not checked: shop not prepared here" in elsewhere.stderr
    assert elsewhere.code == 0
    (path,) = folders.results_dir.glob("runs/*/run.json")
    content = json.loads(path.read_text())["data"]["shop"]
    path.write_text(path.read_text().replace(content, "0" * 16))
    assert "the data of 'shop' has changed since 1 run" in bench(*words).stderr
    token = "popularity@shop@warm"  # the name of a run
    assert "the data of 'shop' has changed since" in bench("compare", token, token).stderr


def test_runs_of_different_data_are_not_put_into_one_table(bench: Bench, folders: Folders) -> None:
    bench("run", "--method", "popularity", "--dataset", "shop")
    bench("run", "--method", "random", "--dataset", "shop")
    path = next(folders.results_dir.glob("runs/*/run.json"))
    content = json.loads(path.read_text())["data"]["shop"]
    path.write_text(path.read_text().replace(content, "0" * 16))
    outcome = bench("table", "--dataset", "shop", "--setting", "warm")
    assert outcome.code == 2
    assert "they used different data of 'shop'" in outcome.mistake
    assert "0000000000000000" in outcome.mistake
