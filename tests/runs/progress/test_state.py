"""The state of a run: what it does, how fast, and how long it will take."""

from __future__ import annotations

import pytest

from bench.progress import Expected, Jobs, Phase, Phases, Steps
from bench.runs.progress.state import RunState, amount, jobs_in_words


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def state_in(clock: Clock, phase: str = "fit") -> RunState:
    state = RunState("bpr on shop", clock)
    state.hear(Phases(("prepare", "fit", "score")))
    state.hear(Phase(phase))
    return state


def steps_told(state: RunState, clock: Clock, *told: Steps, seconds: float = 1.0) -> None:
    for steps in told:
        state.hear(steps)
        clock.now += seconds
    clock.now -= seconds


def test_the_rate_and_the_remaining_time_come_from_the_steps(clock: Clock) -> None:
    state = state_in(clock)
    steps_told(state, clock, *(Steps("training", done, 100, "steps") for done in (0, 10, 20)))
    assert state.rate == 10
    assert state.seconds_left == 8
    assert state.activity() == "training 20/100 steps (20%), 10 steps/s"
    assert state.left_in_words() == "8 s left"


def test_phases_to_come_take_as_long_as_in_earlier_runs(clock: Clock) -> None:
    state = state_in(clock)
    state.hear(Expected({"prepare": 1.0, "fit": 60.0, "score": 30.0}))
    clock.now = 20
    assert state.seconds_left == 40 + 30
    steps_told(state, clock, *(Steps("training", done, 100) for done in (0, 50)))
    assert state.seconds_left == 1 + 30


def test_steps_bound_what_is_expected_if_training_may_end_early(clock: Clock) -> None:
    state = state_in(clock)
    state.hear(Expected({"fit": 1000.0}))
    steps_told(state, clock, *(Steps("epoch 1 of at most 2", done, 10, n_after=10) for done in (0, 5)))
    assert state.seconds_left == (5 + 10) / 5


def test_nothing_is_said_of_the_remaining_time_if_nothing_is_known_of_it(clock: Clock) -> None:
    state = state_in(clock)
    steps_told(state, clock, Steps("validation", 3, 10, n_after=None), Steps("validation", 4, 10, n_after=None))
    assert state.seconds_left is None
    assert state.left_in_words() == ""
    state.hear(Expected({"fit": 0.5}))
    clock.now = 9  # it takes longer than expected
    assert state.seconds_left is None


def test_other_steps_have_a_rate_of_their_own(clock: Clock) -> None:
    state = state_in(clock)
    steps_told(state, clock, Steps("epoch 1", 0, 10), Steps("epoch 1", 9, 10), Steps("epoch 2", 0, 10))
    assert state.rate is None


def test_a_new_phase_begins_without_the_steps_of_the_last_one(clock: Clock) -> None:
    state = state_in(clock)
    steps_told(state, clock, Steps("training", 1, 2))
    assert state.hear(Phase("score"))
    assert state.activity() == ""
    assert not state.hear(Phase("score"))


def test_phases_are_done_current_or_to_come(clock: Clock) -> None:
    assert state_in(clock).labels() == [("prepare", "done"), ("fit", "now"), ("score", "to come")]


def test_many_phases_of_one_name_are_shown_as_one(clock: Clock) -> None:
    state = RunState(clock=clock)
    state.hear(Phases(("prepare", *["adapter"] * 5, "score")))
    state.hear(Phase("prepare"))
    assert state.labels() == [("prepare", "now"), ("adapter 1/5", "to come"), ("score", "to come")]
    for _ in range(3):
        state.hear(Phase("adapter"))
    assert state.labels()[1] == ("adapter 3/5", "now")
    state.hear(Phase("score"))
    assert state.labels()[1:] == [("adapter 5/5", "done"), ("score", "now")]


@pytest.mark.parametrize(("done", "words"), [(1, "2.0 s each"), (10, "5.0 steps/s"), (1000, "500 steps/s")])
def test_slow_steps_are_shown_by_their_seconds(clock: Clock, done: int, words: str) -> None:
    state = state_in(clock)
    steps_told(state, clock, Steps("x", 0, 9999, "steps"), Steps("x", done, 9999, "steps"), seconds=2)
    assert state.rate_in_words() == words


def test_bytes_have_prefixes(clock: Clock) -> None:
    state = state_in(clock)
    steps_told(state, clock, *(Steps("downloading a.gz", done, 5_000_000, "bytes") for done in (0, 2_000_000)))
    assert state.activity() == "downloading a.gz 2.0 MB of 5.0 MB (40%), 2.0 MB/s"
    assert [amount(size, "bytes") for size in (12, 1200, 3 * 10**9)] == ["12 B", "1.2 kB", "3.0 GB"]


def test_jobs_are_counted_with_the_expected_time() -> None:
    assert jobs_in_words(Jobs(3, 12)) == "3 of 12 jobs done"
    assert jobs_in_words(Jobs(3, 12, 600.0)) == "3 of 12 jobs done, about 10 min left"
