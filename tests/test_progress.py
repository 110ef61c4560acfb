"""A progress hook takes lines; one that is a Progress is told phases, steps and notes as well."""

from __future__ import annotations

import pytest

from bench.progress import (
    Note,
    Phase,
    PhaseList,
    Relay,
    Steps,
    counted,
    duration,
    prefixed,
    tell,
    time_so_far,
)
from tests.support.heard import Heard


def test_a_plain_function_is_told_notes_as_lines_and_nothing_else() -> None:
    lines: list[str] = []
    tell(lines.append, Note("stored"))
    tell(lines.append, Steps("encoding", 1, 2))
    tell(lines.append, Phase("score"))
    tell(None, Note("nobody listens"))
    assert lines == ["stored"]


def test_counted_items_are_told_one_by_one_after_each_is_done() -> None:
    heard = Heard()
    for item in counted("ab", heard, "reading", 2, "letters"):
        assert heard.messages[-1] == Steps("reading", "ab".index(item), 2, "letters")
    assert heard.messages[-1] == Steps("reading", 2, 2, "letters")
    assert list(counted("ab", lambda _line: None, "reading")) == ["a", "b"]


def test_a_prefix_says_whose_lines_and_which_steps_these_are() -> None:
    heard = Heard()
    hook = prefixed(heard, "BPR on shop, ", "pre-training, ", within_steps=True)
    hook("epoch 1")
    tell(hook, Steps("epoch 1", 3, 4))
    tell(hook, Phase("score"))
    assert heard.lines == ["BPR on shop, epoch 1"]
    assert heard.messages == [Steps("pre-training, epoch 1", 3, 4, n_after=None), Phase("score")]


def test_a_relay_passes_on_to_whatever_hook_it_has_now() -> None:
    first, second = Heard(), Heard()
    relay = Relay(first)
    relay("one")
    relay.onto = second
    relay("two")
    relay.tell(Phase("fit"))
    assert (first.lines, second.lines, second.messages) == (["one"], ["two"], [Phase("fit")])


def test_phases_of_one_name_are_numbered_and_begin_one_after_the_other() -> None:
    phases = PhaseList()
    phases.plan(("prepare", "adapter", "adapter", "score"))
    shown = []
    for name in ("prepare", "adapter", "adapter", "score"):
        assert phases.begin(name)
        shown.append(phases.label_now)
    assert shown == ["prepare", "adapter 1/2", "adapter 2/2", "score"]
    assert not phases.begin("score")


def test_a_phase_that_was_not_planned_comes_after_the_current_one() -> None:
    phases = PhaseList()
    phases.plan(("prepare", "score"))
    phases.begin("prepare")
    phases.begin("adapter")
    assert phases.names == ("prepare", "adapter", "score")
    assert phases.now == "adapter"


def test_a_plan_that_comes_later_keeps_the_current_phase() -> None:
    phases = PhaseList()
    phases.begin("prepare")
    phases.plan(("prepare", "fit", "score"))
    assert phases.names == ("prepare", "fit", "score")
    assert phases.now == "prepare"


def test_a_method_may_return_to_a_phase() -> None:
    phases = PhaseList()
    phases.plan(("merge weights", "score"))
    for name in ("score", "merge weights", "score"):  # the weights are searched when the queries are known
        phases.begin(name)
    assert phases.now == "score"
    assert phases.names == ("merge weights", "score")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (3 * 3600 + 300, "3 h 05 min")]
)
def test_durations_are_in_the_unit_that_people_use(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s so far"), (59.4, "59 s so far"), (59.6, "1 min 00 s so far"), (3725, "62 min 05 s so far")],
)
def test_the_time_so_far_is_exact_to_the_second(seconds: float, words: str) -> None:
    assert time_so_far(seconds) == words
