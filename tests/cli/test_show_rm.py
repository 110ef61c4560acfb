from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.files.folders import Folders
from bench.files.lease import Lease
from bench.runs.packs import write_packs
from bench.runs.store import RunStore
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
SHOP = ("run", "--dataset", "shop", "--device", "cpu", "--json")


@pytest.fixture
def bpr(bench: Bench) -> str:
    """The id of a stored run of a method that is trained."""
    words = ("--method", "bpr", "-p", "epochs=3", "-p", "lr=0.05")
    return str(json.loads(bench(*SHOP, *words).stdout)["id"])


class Terminal(io.StringIO):
    """Standard input of somebody who answers."""

    def isatty(self) -> bool:
        return True


def test_a_run_is_shown_with_results_training_curve_and_command(bench: Bench, folders: Folders, bpr: str) -> None:
    outcome = bench("show", bpr[:6])
    assert outcome.code == 0
    text = outcome.stdout
    assert text.startswith("bpr · shop warm · 80 queries\n")
    facts = {line[: line.index("  ")]: line.split("  ")[-1].strip() for line in text.splitlines() if "  " in line}
    assert facts["run"] == f"{bpr} (bpr@shop@warm@seed0)"
    assert facts["parameters"] == "epochs=3 learning_rate=0.05"
    assert "dimensions=64" in facts["defaults"]
    assert facts["training"].startswith("3 epochs, best after ")
    assert facts["stored in"] == str(folders.results_dir / "runs" / bpr)
    assert text.count("stored in") == 1
    assert "next:" not in text
    assert "Validation NDCG@3 by epoch\n" in text
    assert text.count("●") == 1
    assert text.endswith(
        "Repeat it:\n  bench run --method bpr --dataset shop --setting warm -p epochs=3 -p learning_rate=0.05 --force\n"
    )


def test_the_command_repeats_the_same_run(bench: Bench, folders: Folders, bpr: str) -> None:
    command = bench("show", bpr).stdout.splitlines()[-1].split()
    assert command[0] == "bench"
    assert bench(*command[1:]).code == 0
    assert RunStore(folders.results_dir).ids() == [bpr]


def test_as_json_a_run_is_its_record_with_metrics_from_the_ranks(bench: Bench, folders: Folders, bpr: str) -> None:
    path = folders.results_dir / "runs" / bpr / "run.json"
    stored = json.loads(path.read_text())
    edited = {**stored, "metrics": {name: {"value": 0.9, "low": 0.9, "high": 0.9} for name in stored["metrics"]}}
    path.write_text(json.dumps(edited))
    assert json.loads(bench("show", bpr, "--json").stdout) == stored


def test_a_run_is_removed_with_everything_that_is_stored_of_it(bench: Bench, folders: Folders, bpr: str) -> None:
    other = json.loads(bench(*SHOP, "--method", "random").stdout)["id"]
    earlier = folders.results_dir / "superseded" / bpr / "1"
    earlier.mkdir(parents=True)
    (earlier / "run.json").write_text("{}")
    said = f"{bpr} (bpr@shop@warm@seed0, epochs=3, learning_rate=0.05) with 1 earlier version.\n"
    assert bench("rm", "bpr@shop@warm", "--dry-run") == Outcome(0, f"Would remove {said}", "")
    assert bench("rm", "bpr@shop@warm", "--yes") == Outcome(0, f"Removed {said}", "")
    assert RunStore(folders.results_dir).ids() == [other]
    assert [path.name for path in (folders.results_dir / "runs").iterdir()] == [other]
    assert list((folders.results_dir / "superseded").iterdir()) == []


def test_a_script_must_say_yes(bench: Bench, folders: Folders, bpr: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert bench("rm", bpr).mistake == "Removing 1 run needs --yes, because standard input is not a terminal."
    assert RunStore(folders.results_dir).ids() == [bpr]


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("\n", 1, 1)])
def test_in_a_terminal_one_is_asked(
    bench: Bench, folders: Folders, bpr: str, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    outcome = bench("rm", bpr)
    assert outcome.code == code
    assert "Remove 1 run? [y/N]" in outcome.stderr
    assert ("Nothing was removed." in outcome.stderr) == bool(left)
    assert len(RunStore(folders.results_dir).ids()) == left


def test_one_wrong_name_and_nothing_is_removed(bench: Bench, folders: Folders, bpr: str) -> None:
    assert "No run 'nothing'" in bench("rm", bpr, "nothing", "--yes").mistake
    assert RunStore(folders.results_dir).ids() == [bpr]


def test_a_run_that_another_process_writes_is_kept(bench: Bench, folders: Folders, bpr: str) -> None:
    lease = RunStore(folders.results_dir).lease(bpr)
    assert Lease(lease.path).take()
    assert f"Run {bpr} is being written by process" in bench("rm", bpr, "--yes").mistake
    assert RunStore(folders.results_dir).ids() == [bpr]


def test_a_process_that_is_killed_while_it_removes_leaves_no_half_run(
    bench: Bench, folders: Folders, bpr: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bench.runs.superseded.shutil.rmtree", killed)
        assert bench("rm", bpr, "--yes").code == 130
    assert bench("list", "runs").stdout == ""
    assert f"No run '{bpr}'" in bench("show", bpr).mistake


def test_a_packed_run_is_not_removed_alone(bench: Bench, folders: Folders, bpr: str) -> None:
    store = RunStore(folders.results_dir)
    write_packs(folders.results_dir, {"mine": [store.load(bpr)]}, store.queries)
    store.remove_folder(bpr)
    assert "is part of a pack" in bench("rm", bpr, "--yes").mistake
    assert f" {folders.results_dir / 'packs' / 'mine'}\n" in bench("show", bpr).stdout


@pytest.mark.parametrize("name", ["bpr", "bpr@shop", "BPR@Shop"])
def test_the_start_of_a_name_is_enough_if_one_run_has_it(bench: Bench, bpr: str, name: str) -> None:
    bench(*SHOP, "--method", "random")
    assert json.loads(bench("show", name, "--json").stdout)["id"] == bpr
    assert f"No run '{name[:2]}'" in bench("show", name[:2]).mistake  # a part of a method's name is none


def test_the_start_of_several_names_prints_a_table_of_them_the_newest_first(bench: Bench, bpr: str) -> None:
    other = json.loads(bench(*SHOP, "--method", "bpr", "-p", "epochs=1", "--setting", "cold").stdout)["id"]
    outcome = bench("show", "bpr@shop")
    error, _, *rows = outcome.stderr.splitlines()
    assert error.startswith("Error: 'bpr@shop' matches 2 runs: give the prefix of one id.")
    assert {row.split()[0] for row in rows} == {bpr, other}
    assert rows == sorted(rows, key=lambda row: row.split()[-2:], reverse=True)


def test_an_ambiguous_name_prints_a_table_below_the_error(bench: Bench, bpr: str) -> None:
    other = json.loads(bench(*SHOP, "--method", "bpr", "-p", "epochs=1").stdout)["id"]
    outcome = bench("show", "bpr@shop@warm")
    assert (outcome.code, outcome.stdout) == (2, "")
    error, head, *rows = outcome.stderr.splitlines()
    assert error.startswith("Error: 'bpr@shop@warm' matches 2 runs: give the prefix of one id.")
    assert head.split()[:3] == ["id", "run", "variant"]
    assert {row.split()[0] for row in rows} == {bpr, other}
