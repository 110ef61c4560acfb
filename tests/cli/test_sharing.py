"""``bench export``, ``import-runs`` and ``leaderboard`` from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


@pytest.fixture
def archive(bench: Bench, tmp_path: Path) -> Path:
    for method in ("popularity", "random"):
        bench("run", "--method", method, "--dataset", "shop")
    assert bench("export", "popularity@shop@warm", "random@shop@warm", tmp_path / "results.zip").code == 0
    return tmp_path / "results.zip"


def test_exported_runs_are_imported_elsewhere_and_verify(bench: Bench, archive: Path, tmp_path: Path) -> None:
    table = ("table", "--dataset", "shop", "--setting", "warm", "--format", "json")
    words = ("--results-dir", tmp_path / "theirs")
    outcome = bench("import-runs", archive, *words)
    assert [line.rpartition(": ")[2] for line in outcome.stdout.splitlines()] == ["imported", "imported"]
    assert bench("verify", *words).code == 0
    assert bench(*table, *words).stdout == bench(*table).stdout
    again = json.loads(bench("import-runs", archive, "--json", *words).stdout)
    assert {row["state"] for row in again} == {"stored already"}
    assert "reusing stored run" in bench("run", "--method", "random", "--dataset", "shop", *words).stderr


def test_all_runs_or_some_are_exported(bench: Bench, archive: Path, tmp_path: Path) -> None:
    assert "2 runs" in bench("export", "--all", tmp_path / "all.zip").stderr
    assert (tmp_path / "all.zip").read_bytes() == archive.read_bytes()
    assert "Give either one or more runs" in bench("export", tmp_path / "x.zip").mistake
    assert "Give either one or more runs" in bench("export", "--all", "random@shop@warm", tmp_path / "x.zip").mistake
    assert "must end in .zip" in bench("export", "popularity@shop@warm", "random@shop@warm").mistake
    assert "No run 'bpr@shop@warm'" in bench("export", "bpr@shop@warm", tmp_path / "x.zip").mistake
    assert (
        "No runs are stored" in bench("export", "--all", tmp_path / "x.zip", "--results-dir", tmp_path / "no").mistake
    )


def test_a_pull_request_is_checked_and_a_leaderboard_built(bench: Bench, archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    folder.mkdir()
    archive.rename(folder / "results.zip")
    (folder / "junk.zip").write_bytes(b"junk")
    checked = bench("leaderboard", "check", folder / "results.zip", folder / "junk.zip")
    assert checked.code == 1
    first, second = checked.stdout.splitlines()
    assert first.startswith("ok      ")
    assert "popularity@shop@warm@seed0" in first
    assert second.startswith("FAILED  ")
    assert bench("leaderboard", "check", folder / "results.zip").code == 0
    built = bench("leaderboard", "build", folder, "--output", tmp_path / "site")
    assert built.stdout == "Boards: 1. Runs: 2. Refused: 1.\n"
    assert "refused: junk.zip: cannot be read" in built.stderr
    assert (tmp_path / "site" / "index.html").read_text().count("<section>") == 2
