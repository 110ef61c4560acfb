"""Signals that end a process, held back until a training is where it can be saved."""

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
    """What came while signals were held back."""

    signal: int | None = None


@contextmanager
def held_back() -> Iterator[Stop]:
    """Hold Ctrl-C and SIGTERM back in the block, and let the one that came act after it; a second one acts at once.

    Signals that the process ignores stay ignored, and a thread other than the main one holds nothing back.
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
