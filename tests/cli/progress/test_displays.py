"""What the command line shows while it works: lines, or a live display on a terminal."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from bench.cli.progress.live import LiveDisplay
from bench.cli.progress.plain import PlainDisplay
from bench.progress import Ended, Jobs, Note, Phase, Phases, Progress, Steps
from tests.runs.progress.test_state import Clock


def terminal(encoding: str = "utf-8", width: int = 80) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
    return Console(file=file, force_terminal=True, width=width, color_system=None, legacy_windows=False)


def shown(display: LiveDisplay) -> list[str]:
    """Return the lines of a live display as they are now."""
    with display.console.capture() as capture:
        display.console.print(display.view())
    return [line.rstrip() for line in capture.get().splitlines()]


def in_training(hook: Progress) -> None:
    hook.tell(Phases(("prepare", "adapter", "adapter", "merge weights", "score")))
    for name in ("prepare", "adapter", "adapter"):
        hook.tell(Phase(name))
    hook.tell(Steps("epoch 1 of at most 9", 30, 60, "steps", n_after=480))


def test_silence_is_broken_by_what_is_being_done() -> None:
    written: list[str] = []
    clock = Clock()
    display = PlainDisplay(written.append, clock)
    display.beat()
    assert written == []
    clock.now = 1.5
    display.beat()
    display.tell(Phase("prepare"))
    display("reading beauty")
    clock.now = 4.0
    display.beat()
    assert written == ["starting, 2 s so far", "prepare: reading beauty", "prepare: reading beauty, 2 s so far"]


def test_several_runs_take_turns() -> None:
    written: list[str] = []
    clock = Clock()
    display = PlainDisplay(written.append, clock)
    for key in "ab":
        in_training(display.part(key, f"run {key}"))
    for second in (2, 4, 6):
        clock.now = second
        display.beat()
    display.part("a", "run a").tell(Ended("[1/2] run a: done"))
    clock.now = 8
    display.beat()
    place = "adapter 2/2: epoch 1 of at most 9 30/60 steps (50%)"
    assert written[:3] == [f"run a: {place}", f"run b: {place}", f"run a: {place}"]
    assert written[3:] == ["[1/2] run a: done", f"run b: {place}"]


def test_a_thread_speaks_while_the_work_is_silent() -> None:
    told: list[float] = []
    with PlainDisplay(lambda _line: told.append(time.monotonic())):
        time.sleep(3.2)
    assert len(told) >= 2


def test_a_live_display_shows_phases_bar_rate_and_what_is_to_come() -> None:
    display = LiveDisplay(terminal())
    in_training(display)
    phases, work = shown(display)
    assert phases == "prepare · adapter 1/2 · adapter 2/2 · merge weights · score"
    assert "━" in work
    assert "epoch 1 of at most 9 30/60 steps (50%)" in work


def test_several_runs_are_in_one_view() -> None:
    display = LiveDisplay(terminal())
    display.tell(Jobs(1, 3, 120.0))
    in_training(display.part("a", "bpr on shop warm"))
    display.part("b", "sasrec on shop warm")("waiting for a worker")
    lines = shown(display)
    assert "1 of 3 jobs done, about 2 min left" in lines[0]
    assert lines[1] == "bpr on shop warm"
    assert lines[4] == "sasrec on shop warm"
    assert "waiting for a worker" in lines[5]
    display.part("a", "").tell(Ended("[2/3] bpr on shop warm: done"))
    assert "bpr on shop warm" not in shown(display)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    display = LiveDisplay(terminal(width=width))
    in_training(display.part("a", "reccocktail on " + "x" * 100))
    lines = shown(display)
    assert len(lines) == 3
    assert max(map(len, lines)) <= width


def test_a_terminal_without_unicode_is_sent_none() -> None:
    display = LiveDisplay(terminal("ascii", 40))
    in_training(display)
    display("Ünïcode · title")
    lines = shown(display)
    assert lines[0].isascii()
    assert "prepare - adapter 1/2" in lines[0]
    display.keep("Ünïcode · title")  # raises if the stream cannot encode it


def test_only_notes_stay_unless_every_line_is_asked_for() -> None:
    for verbose in (False, True):
        display = LiveDisplay(terminal(), verbose)
        with display.console.capture() as capture:
            display.tell(Phase("fit"))
            display("epoch 1: loss 0.5")
            display.tell(Note("reusing stored run 3f2a"))
        kept = capture.get().splitlines()
        assert kept == ["fit: epoch 1: loss 0.5"] * verbose + ["reusing stored run 3f2a"]
