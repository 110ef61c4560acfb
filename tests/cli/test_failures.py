"""Whatever the machine lacks is one clear line and exit code 2, and what is wrong in the code is not hidden."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli.failures import failure_of_machine
from bench.errors import LONGEST_LINE
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


class SafetensorError(Exception):
    """Named as the library's."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/cache/x"),
            "Cannot use '/cache/x': No space left on device.",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "Cannot use '/x': Read-only file system."),
        (OSError(errno.EBUSY, "Device or resource busy"), "Device or resource busy."),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 3000), "aaa … aaa"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Cannot use '/x': Permission denied."),
        (FileExistsError(errno.EEXIST, "File exists", "real.txt"), "'real.txt' is in the way: a directory is expected"),
        (MemoryError(), "There is not enough memory."),
        (MemoryError("Unable to allocate 149. GiB"), "There is not enough memory (Unable to allocate 149. GiB)."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "There is not enough memory"),
        (SafetensorError("Error while\nserializing"), "SafetensorError: Error while serializing"),
        (EOFError("Ran out of input"), "A file or standard input ended too early (Ran out of input)."),
    ],
)
def test_an_error_of_the_machine_is_told_in_one_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr("bench.data.card.list_cards", failing)
    outcome = bench("list", "datasets")
    line = outcome.stderr.strip()
    assert outcome.code == 2
    assert line.startswith("Error: ")
    assert "\n" not in line
    assert len(line) < LONGEST_LINE + 20
    assert all(part in line for part in told.split(" … "))


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyError("x"), RuntimeError("a shape"), AssertionError()])
def test_a_fault_of_the_code_is_no_error_of_the_machine(error: Exception) -> None:
    assert failure_of_machine(error) is None


def test_control_characters_of_an_input_do_not_reach_the_terminal(bench: Bench) -> None:
    mistake = bench("describe", "a\x1b]0;title\x07b\nc\u202e").mistake
    assert "\\x1b]0;title\\x07b c\\u202e" in mistake


def bench_process(words: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "bench", *words], check=False, env=environment, timeout=120, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
def test_a_full_standard_output_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = bench_process(["list", "datasets"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("Error: ")
    assert done.stderr.count(b"\n") == 1
    assert b"No space left" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
def test_a_full_standard_error_does_not_end_the_work() -> None:
    code = "from bench.cli.progress.shown import line_on_stderr\nline_on_stderr('a')\nprint('done')"
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=full, timeout=60)
    assert done.stdout == b"done\n"


def test_signs_that_the_terminal_lacks_are_printed_as_escapes() -> None:
    done = bench_process(["list", "experiments"], env={"PYTHONIOENCODING": "latin-1"}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\\u2026" in done.stdout.decode("latin-1")


def test_a_directory_without_a_name_is_a_mistake(bench: Bench) -> None:
    words = ("run", "--method", "popularity", "--dataset", "shop", "--device", "cpu")
    assert "An empty name is not a directory" in bench(*words, "--cache-dir", "").mistake
    assert "An empty name is not a directory" in bench(*words, "--results-dir", "").mistake
    assert "An empty name is not a file" in bench("table", "demo", "--output", "").mistake
    assert "--backbone is empty" in bench("run", "--method", "text-knn", "--dataset", "shop", "--backbone", "").mistake


def test_a_tilde_is_the_home_directory(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BENCH_RESULTS", "~/results")
    monkeypatch.chdir(tmp_path)
    outcome = bench("run", "--method", "popularity", "--dataset", "shop", "--device", "cpu", "--json")
    assert outcome.code == 0
    run_id = json.loads(outcome.stdout)["id"]
    assert (tmp_path / "home" / "results" / "runs" / run_id / "run.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_without_a_home_directory_a_place_has_to_be_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert "no home directory is known" in bench("table", "demo", "--results-dir", "~/results").mistake


def test_a_place_that_cannot_be_written_is_found_before_the_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def trained(*_: object) -> None:
        raise AssertionError("it trained")

    monkeypatch.setattr("bench.baselines.controls.Popularity.fit", trained)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs").write_text("a file in the way")
    outcome = bench("run", "--method", "popularity", "--dataset", "shop", "--results-dir", tmp_path / "results")
    assert outcome.code == 2
    assert "runs' is in the way" in outcome.stderr


def test_a_data_directory_that_is_not_there_is_refused_for_a_stored_run_too(bench: Bench) -> None:
    words = ("run", "--method", "popularity", "--dataset", "shop", "--device", "cpu")
    assert bench(*words).code == 0
    assert "The data directory /nope does not exist" in bench(*words, "--data-dir", "/nope").mistake
    assert "The data directory /nope does not exist" in bench("candidates", "shop", "--data-dir", "/nope").mistake


def test_a_device_that_is_not_there_is_refused_for_a_stored_run_too(bench: Bench) -> None:
    words = ("run", "--method", "popularity", "--dataset", "shop")
    assert bench(*words, "--device", "cpu").code == 0
    assert "Device 'cpu:7' is not available" in bench(*words, "--device", "cpu:7").mistake


def test_threads_sleep_at_barriers_unless_the_user_chose_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.cli.main import wait_passively

    for chosen in ({}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}):
        for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in chosen.items():
            monkeypatch.setenv(name, value)
        wait_passively()
        found = {name: os.environ[name] for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in os.environ}
        assert found == (chosen or {"OMP_WAIT_POLICY": "PASSIVE"})
