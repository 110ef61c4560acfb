"""The options of progress, as a user gives them, and how long a command is silent."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from bench.cli.progress.shown import ProgressChoice, live_console
from bench.files.folders import Folders
from bench.runs.store import RunStore
from tests.support.command_line import Outcome
from tests.support.fake_methods import know_fakes

Bench = Callable[..., Outcome]
SHOP = ("run", "--dataset", "shop", "--device", "cpu", "--method")
LONGEST_SILENCE_SECONDS = 2.0


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class Timed(io.StringIO):
    """Notes when something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.times = [time.monotonic()]

    def write(self, text: str) -> int:
        self.times.append(time.monotonic())
        return super().write(text)

    def longest_silence(self) -> float:
        return max(later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False))


@contextmanager
def lateness() -> Iterator[list[float]]:
    """Measure by how many seconds a machine that does other work as well lets a thread wait too long."""
    late, end = [0.0], Event()

    def watch() -> None:
        while not end.is_set():
            began = time.monotonic()
            end.wait(0.1)
            late.append(time.monotonic() - began - 0.1)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield late
    finally:
        end.set()
        thread.join()


@pytest.fixture
def bench_with_fakes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    know_fakes(monkeypatch)
    return bench


def test_quiet_shows_no_progress_and_the_same_result(bench: Bench) -> None:
    loud, quiet = bench(*SHOP, "popularity"), bench(*SHOP, "popularity", "-q")
    assert "reusing stored run" in bench(*SHOP, "popularity").stderr
    assert quiet.stderr == ""
    assert quiet.stdout == loud.stdout
    assert bench(*SHOP, "popularity", "-q", "-v").mistake == "Give -q or -v, not both."


def test_verbose_lines_begin_with_the_time_of_day(bench: Bench) -> None:
    lines = bench(*SHOP, "popularity", "--seed", 1, "--verbose").stderr.splitlines()
    assert lines
    assert all(time.strptime(line.split()[0], "%H:%M:%S") for line in lines)


def test_a_log_file_is_appended_to_even_if_nothing_is_shown(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "bench.log"
    for _ in range(2):
        assert bench(*SHOP, "popularity", "-q", "--log-file", log).stderr == ""
    text = log.read_text()
    assert text.count("bench run --dataset shop") == 2
    assert "reusing stored run" in text.splitlines()[-1]


def test_an_error_is_in_the_log_file(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "bench.log"
    words = ("--limit-queries", 3, "--train-users", 10_000, "--log-file", log)
    assert bench(*SHOP, "popularity", *words).code == 2
    assert "BenchError: " in log.read_text().splitlines()[-1]


def test_a_log_file_that_cannot_be_written_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mistake = bench(*SHOP, "popularity", "--log-file", tmp_path / "file" / "log").mistake
    assert mistake.startswith("Cannot write to the log file")


def test_the_log_is_kept_with_the_run_without_paths_of_a_user(bench: Bench, folders: Folders) -> None:
    outcome = bench(*SHOP, "popularity", "--seed", 7, "--json")
    store = RunStore(folders.results_dir)
    log = store.log(store.load(json.loads(outcome.stdout)["id"]))
    assert log is not None
    assert "finished: prepare" in log
    assert str(folders.results_dir) not in log
    assert str(Path.home()) not in log


def test_no_command_is_silent_for_more_than_two_seconds(
    bench_with_fakes: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = Timed()
    # call_bench has a stream of its own: this one is given to the function that prints
    monkeypatch.setattr("bench.cli.progress.shown.line_on_stderr", lambda line: print(line, file=errors))
    with lateness() as late:
        assert bench_with_fakes(*SHOP, "slow").code == 0
    errors.times.append(time.monotonic())
    assert errors.longest_silence() < LONGEST_SILENCE_SECONDS + 3 * max(late)
    assert re.search(r"^fit: [1-4] s so far$", errors.getvalue(), re.MULTILINE)
    assert "fit: half of it is done" in errors.getvalue()


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_that_cannot_redraw_lines_is_sent_lines(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert live_console() is not None
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert live_console() is None


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    console = live_console()
    assert console is not None
    assert console.no_color


def test_a_terminal_is_drawn_on_and_left_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressChoice().shown() as progress:
        progress("reading the data")
        time.sleep(0.5)
    assert "reading the data" in errors.getvalue()
    assert errors.getvalue().rstrip().endswith("\x1b[2K")  # the display is erased


def test_progress_that_is_not_live_imports_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    with ProgressChoice().shown() as progress:
        progress("reading")
    assert errors.getvalue() == "reading\n"
