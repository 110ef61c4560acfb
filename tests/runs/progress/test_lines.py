"""Progress as lines, in logs, notebooks and scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.files.folders import Folders
from bench.progress import Ended, Note, Phase, Phases, Progress, Steps
from bench.runs.progress.lines import Lines, as_progress
from bench.runs.progress.run_log import RunLog, without_places
from bench.runs.progress.shared import Follower, SharedProgress
from bench.runs.record import RunRecord
from tests.runs.progress.test_state import Clock
from tests.test_progress import Heard


def test_lines_say_which_phase_they_belong_to() -> None:
    written: list[str] = []
    hook = Lines(written.append)
    hook("before all phases")
    hook.tell(Phases(("prepare", "score")))
    hook.tell(Phase("prepare"))
    hook("reading")
    hook.tell(Note("estimate: 2 min"))
    part = hook.part("id", "bpr on shop")
    part.tell(Phase("fit"))
    part("epoch 1")
    part.tell(Ended("[1/2] bpr on shop: done"))
    assert written == [
        "before all phases",
        "prepare: reading",
        "estimate: 2 min",
        "bpr on shop: fit: epoch 1",
        "[1/2] bpr on shop: done",
    ]


def test_steps_are_written_at_intervals() -> None:
    written: list[str] = []
    clock = Clock()
    hook = Lines(written.append, 10, clock)
    for second in range(25):
        clock.now = second
        hook.tell(Steps("training", second, 100, "steps"))
    assert written == [
        "training 10/100 steps (10%), 1.0 steps/s, 2 min left",
        "training 20/100 steps (20%), 1.0 steps/s, 80 s left",
    ]


def test_any_function_becomes_a_hook_that_is_told_steps() -> None:
    hook = Progress()
    assert as_progress(hook) is hook
    assert type(as_progress(None)) is Progress
    written: list[str] = []
    as_progress(written.append)("a line")
    assert written == ["a line"]


def test_the_log_of_a_run_keeps_lines_with_their_seconds_and_passes_them_on(
    save_run: Callable[..., RunRecord],
) -> None:
    heard, clock = Heard(), Clock()
    log = RunLog(heard, clock)
    clock.now = 2.5
    log.tell(Phase("fit"))
    log("epoch 1\nof 2")
    log.keep("finished")
    assert heard.lines == ["epoch 1\nof 2"]
    assert heard.messages == [Phase("fit")]
    record = save_run("bpr", [0], backbone="/home/ada/models/x")
    title, *lines = log.text(Folders(Path("cache"), Path("results")), record).splitlines()
    assert lines == ["      2.5 s  fit: epoch 1 of 2", "      2.5 s  finished"]
    assert title.startswith("bench run --method bpr --dataset beauty --setting warm --backbone ~/models/x")
    assert title.endswith(" (bench 0.1.0, 2026-01-01 00:00 UTC)")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/data/sets/beauty/a.csv is damaged", "<data>/beauty/a.csv is damaged"),
        ("reading /home/ada/.cache/x and '/Users/bo/y'", "reading ~/.cache/x and '~/y'"),
        ("C:\\Users\\ada\\x is here", "~\\x is here"),
        ("/root/x, and /rooted/x", "~/x, and /rooted/x"),
    ],
)
def test_a_stored_log_names_no_directory_of_a_user(line: str, shown: str) -> None:
    assert without_places(line, Folders(Path("/c"), Path("/r"), Path("/data/sets"))) == shown


def test_the_home_directory_is_left_out_of_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/scratch/ada")
    assert without_places("/scratch/ada/models/x", Folders(Path("/c"), Path("/r"))) == "~/models/x"


def test_what_a_worker_tells_is_followed_from_another_process(tmp_path: Path) -> None:
    place, told, seen = tmp_path / "job.progress.json", Heard(), Heard()
    worker, follower = SharedProgress(told, place), Follower(place, seen)
    follower.look()  # nothing is written yet
    worker.tell(Phases(("prepare", "adapter", "adapter")))
    worker.tell(Phase("prepare"))
    worker("reading")
    follower.look()
    assert (seen.messages, seen.lines) == ([Phases(("prepare", "adapter", "adapter")), Phase("prepare")], ["reading"])
    worker.tell(Phase("adapter"))
    worker.tell(Phase("adapter"))
    worker.tell(Steps("training", 1, 9))
    worker("step 1")
    follower.look()
    assert seen.messages[2:] == [Phase("adapter"), Phase("adapter"), Steps("training", 1, 9)]
    assert seen.lines == told.lines == ["reading", "step 1"]
    follower.look()
    assert len(seen.messages) == 5
    place.write_text("{")
    follower.look()
    assert len(seen.messages) == 5
