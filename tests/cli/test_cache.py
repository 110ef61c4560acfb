from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.files.folders import Folders
from bench.files.lease import Lease
from bench.files.owner import Owner
from bench.runs.store import RunStore
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
DAY = 24 * 3600
GONE = Owner(2**22 + 1, Owner.this_process().machine)
"""A process number that no system gives."""


@pytest.fixture
def folders(folders: Folders, tmp_path: Path) -> Folders:
    """The shop with a cache of the test's own, which it may clean."""
    return dataclasses.replace(folders, cache_dir=tmp_path / "cache")


@pytest.fixture
def bpr(bench: Bench) -> str:
    words = ("run", "--method", "bpr", "--dataset", "shop", "-p", "epochs=1", "--device", "cpu", "--json")
    return str(json.loads(bench(*words).stdout)["id"])


def aged(folder: Path, days: float) -> Path:
    """Let a folder with one file look as if it had not changed for some days."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "checkpoint.safetensors"
    path.write_bytes(b"x" * 1000)
    for one in folder.rglob("*"):
        os.utime(one, (time.time() - days * DAY,) * 2)
    return folder


def left_behind(folder: Path) -> Path:
    path = folder / f".0123456789abcdef.{GONE}.00000000"
    path.mkdir(parents=True)
    (path / "half").write_bytes(b"x" * 500)
    return path


def removed(outcome: Outcome) -> dict[str, str]:
    assert outcome.code == 0, outcome
    return {Path(row["path"]).name: row["reason"] for row in json.loads(outcome.stdout)["removed"]}


def test_sizes_are_shown_by_kind(bench: Bench, folders: Folders, bpr: str) -> None:
    aged(folders.cache_dir / "unfinished" / "models" / "feed", 3)
    left_behind(folders.cache_dir / "models")
    kinds = {row["kind"]: row for row in json.loads(bench("cache", "info", "--json").stdout)["kinds"]}
    assert {name: row["items"] for name, row in kinds.items()} == {
        "candidates": 2,
        "domains": 1,
        "models": 1,
        "unfinished trainings": 1,
        "downloads": 0,
        "temporary leftovers": 1,
        "stored runs": 1,
        "superseded runs": 0,
    }
    (model,) = (folders.cache_dir / "models").glob("[!.]*")
    assert kinds["models"]["bytes"] == sum(path.stat().st_size for path in model.iterdir())
    assert (kinds["unfinished trainings"]["bytes"], kinds["temporary leftovers"]["bytes"]) == (1000, 500)
    text = bench("cache", "info").stdout
    assert f"cache    {folders.cache_dir}" in text
    assert "downloads" not in text
    assert any(line.split()[:3] == ["unfinished", "trainings", "1"] for line in text.splitlines())


def test_only_leftovers_and_old_unfinished_trainings_are_removed_unasked(
    bench: Bench, folders: Folders, bpr: str
) -> None:
    old, new = (
        aged(folders.cache_dir / "unfinished" / "models" / name, days) for name, days in (("old", 8), ("new", 6))
    )
    leftover = left_behind(folders.cache_dir / "models")
    of_runs = left_behind(folders.results_dir / "runs")
    expected = {
        "old": "unfinished training of models, not changed for 8 days",
        leftover.name: "temporary file of an ended process",
    }
    assert removed(bench("cache", "clean", "--dry-run", "--json")) == expected
    assert old.exists()
    assert of_runs.exists()
    outcome = bench("cache", "clean")
    assert outcome.stdout.splitlines()[-1] == "Removed 3 items, 2 kB."
    assert [path.exists() for path in (old, new, leftover, of_runs)] == [False, True, False, False]
    assert "reusing stored run" in bench("run", "--method", "bpr", "--dataset", "shop", "-p", "epochs=1").stderr
    assert removed(bench("cache", "clean", "--older-than", "5", "--json")).keys() == {"new"}


def test_what_a_process_makes_is_kept(bench: Bench, folders: Folders) -> None:
    folder = aged(folders.cache_dir / "unfinished" / "models" / "feed", 9)
    lease = Lease(folder / "lease")
    assert lease.take()
    os.utime(folder / "lease", (time.time() - 9 * DAY,) * 2)
    assert removed(bench("cache", "clean", "--json")) == {}
    lease.release()
    assert removed(bench("cache", "clean", "--older-than", "0", "--json")).keys() == {"feed"}


def test_the_models_of_removed_runs_are_removed_only_when_told(bench: Bench, folders: Folders, bpr: str) -> None:
    bench("run", "--method", "bpr", "--dataset", "shop", "-p", "epochs=2", "--device", "cpu")
    assert removed(bench("cache", "clean", "--unused", "--older-than", "0", "--dry-run", "--json")) == {}
    assert bench("rm", bpr, "--yes").code == 0
    assert removed(bench("cache", "clean", "--older-than", "0", "--json")) == {}
    words = ("cache", "clean", "--unused", "--yes", "--json")
    assert removed(bench(*words)) == {}  # it is not old enough
    (reason,) = removed(bench(*words, "--older-than", "0")).values()
    assert reason == "models that no run needs"
    assert len(list((folders.cache_dir / "models").glob("[!.]*"))) == 1
    assert RunStore(folders.results_dir).records()
    assert bench("verify").code == 0


def test_an_adapter_is_needed_by_a_run_and_by_the_adapter_that_continues_from_it(
    bench: Bench, folders: Folders, bpr: str
) -> None:
    for name, key in (("aaaa", {"start": "bbbb"}), ("bbbb", {}), ("cccc", {})):
        folder = folders.cache_dir / "adapters" / name
        folder.mkdir(parents=True)
        (folder / "made.json").write_text(json.dumps({"key": key, "files": {}}))
    path = folders.results_dir / "runs" / bpr / "run.json"
    fields = json.loads(path.read_text())
    report = {"id": "aaaa", "domains": ["shop"], "n_examples": 1, "n_steps": 1}
    fields["fit"]["adapters"] = {"shop": {**report, "losses": [], "slice_losses": [], "validation": []}}
    path.write_text(json.dumps(fields))
    assert removed(bench("cache", "clean", "--unused", "--yes", "--older-than", "0", "--json")) == {
        "cccc": "adapters that no run needs"
    }


def test_without_runs_nothing_counts_as_unused(bench: Bench, folders: Folders, bpr: str) -> None:
    mistake = bench("cache", "clean", "--unused", "--yes", "--results-dir", folders.results_dir / "other").mistake
    assert "so --unused would remove everything" in mistake


def test_a_script_must_say_yes(bench: Bench, folders: Folders, bpr: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench("run", "--method", "random", "--dataset", "shop")
    bench("rm", bpr, "--yes")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert bench("cache", "clean", "--unused", "--older-than", "0").mistake.startswith(
        "--unused needs --yes or --dry-run"
    )
    assert "give both" in bench("cache", "clean", "--keep-for", "demo").mistake
    assert list((folders.cache_dir / "models").glob("[!.]*"))
