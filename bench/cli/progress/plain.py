"""Progress as lines, where standard error is not a terminal: at least one every two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, RLock, Thread
from typing import Self

from bench.progress import Ended, Message, Progress, ProgressHook, Steps
from bench.runs.progress.lines import Lines

SECONDS_BETWEEN_STEPS = 1.2
LONGEST_SILENCE_SECONDS = 1.4
"""Less than two seconds, because a busy machine may be late."""
SECONDS_BETWEEN_LOOKS = 0.1


class PlainDisplay(Progress):
    """Writes lines as they come, steps at intervals, and what is being done if nothing was written for a while."""

    def __init__(self, write: ProgressHook, clock: Callable[[], float] = time.monotonic) -> None:
        self.write, self.clock = write, clock
        self.lock = RLock()
        self.wrote = clock()
        self.rows: dict[str, _Row] = {}
        self._own = _Row(self, "")
        self._end = Event()

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def __call__(self, line: str) -> None:
        """Write a line."""
        self._own(line)

    def tell(self, message: Message) -> None:
        """Take a message."""
        self._own.tell(message)

    def part(self, key: str, name: str) -> Progress:
        """Return the hook of one of several runs."""
        with self.lock:
            return self.rows.setdefault(key, _Row(self, name, key))

    def say(self, line: str) -> None:
        """Write a line now."""
        with self.lock:
            self.wrote = self.clock()
            self.write(line)

    def beat(self) -> None:
        """Write what is being done if nothing was written for a while; several runs take turns."""
        with self.lock:
            if self.clock() - self.wrote < LONGEST_SILENCE_SECONDS:
                return
            key, row = next(iter(self.rows.items()), ("", self._own))
            if key:
                self.rows[key] = self.rows.pop(key)
            self.say(row.now())

    def _watch(self) -> None:
        while not self._end.wait(SECONDS_BETWEEN_LOOKS):
            self.beat()


class _Row(Lines):
    """The lines of one run."""

    def __init__(self, display: PlainDisplay, name: str, key: str = "") -> None:
        super().__init__(display.say, SECONDS_BETWEEN_STEPS, display.clock, name)
        self.display, self.key = display, key

    def __call__(self, line: str) -> None:
        with self.display.lock:
            super().__call__(line)

    def tell(self, message: Message) -> None:
        with self.display.lock:
            if isinstance(message, Steps):
                self.state.hear(message)
                if self.clock() - self.display.wrote >= self.seconds_between_steps:
                    self.display.say(self.now())
                return
            super().tell(message)
            if isinstance(message, Ended):
                self.display.rows.pop(self.key, None)
