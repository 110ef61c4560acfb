"""Delay signals that end the process until a training can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stop:
    """The signal that arrived while signals were delayed."""

    signal: int | None = None


@contextmanager
def held_back() -> Iterator[Stop]:
    """Delay Ctrl-C and SIGTERM until the end of the block, where the signal takes effect; a second one acts at once.

    Signals that the process ignores stay ignored, and nothing is delayed in threads other than the main one.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    earlier = {number: signal.getsignal(number) for number in STOPPING}
    earlier = {number: handler for number, handler in earlier.items() if handler is not signal.SIG_IGN}

    def restore() -> None:
        for number, handler in earlier.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(number: int, _: FrameType | None) -> None:
        if stop.signal is None:
            stop.signal = number
            return
        stop.signal = None
        restore()
        signal.raise_signal(number)

    for number in earlier:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        restore()
    if stop.signal is not None:
        signal.raise_signal(stop.signal)
