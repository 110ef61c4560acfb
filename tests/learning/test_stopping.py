from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from bench.learning.stopping import STOPPING, held_back


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command line's answer to SIGTERM, and Python's own to Ctrl-C."""
    earlier = {number: signal.getsignal(number) for number in STOPPING}
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "ending"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_acts_after_the_block(number: int, ending: type[BaseException]) -> None:
    done: list[str] = []

    def work() -> None:
        with held_back() as stop:
            signal.raise_signal(number)
            assert stop.signal == number
            done.append("saved")

    with pytest.raises(ending):
        work()
    assert done == ["saved"]


def test_the_second_signal_acts_at_once() -> None:
    done: list[str] = []

    def work() -> None:
        with held_back():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == []


def test_without_a_signal_everything_is_as_before() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    with held_back() as stop:
        assert [signal.getsignal(number) for number in STOPPING] != before
    assert stop.signal is None
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_an_error_in_the_block_restores_the_handlers_and_comes_through() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    with pytest.raises(ZeroDivisionError), held_back():
        _ = 1 // 0
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_a_signal_that_the_process_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back() as stop:
        signal.raise_signal(signal.SIGINT)
    assert stop.signal is None


def test_another_thread_holds_nothing_back() -> None:
    found: list[object] = []

    def work() -> None:
        with held_back() as stop:
            found.append(stop.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None]
