"""Progress as lines of text, for logs, notebooks and scripts."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.progress import Ended, Jobs, Message, Note, Progress, ProgressHook, Steps, time_so_far
from bench.runs.progress.state import RunState, jobs_in_words

SECONDS_BETWEEN_STEPS = 10.0


class Lines(Progress):
    """Writes each line with the phase that it belongs to, and how far the steps are at intervals."""

    def __init__(
        self,
        write: ProgressHook,
        seconds_between_steps: float = SECONDS_BETWEEN_STEPS,
        clock: Callable[[], float] = time.monotonic,
        name: str = "",
    ) -> None:
        self.write, self.seconds_between_steps, self.clock = write, seconds_between_steps, clock
        self.state = RunState(name, clock)
        self._wrote = clock()

    def __call__(self, line: str) -> None:
        """Write a line."""
        self.state.hear_line(line)
        self._write(self._in_phase(line))

    def tell(self, message: Message) -> None:
        """Take a message; write notes, ends and, at intervals, steps."""
        self.state.hear(message)
        match message:
            case Note(line) | Ended(line):
                self._write(line)
            case Jobs() if message.seconds_left is not None and message.done < message.total:
                self._write(jobs_in_words(message))
            case Steps():
                if self.clock() - self._wrote >= self.seconds_between_steps:
                    self._write(self.now())

    def part(self, key: str, name: str) -> Progress:
        """Return the hook of one of several runs, whose lines begin with its name."""
        return Lines(self.write, self.seconds_between_steps, self.clock, name)

    def now(self) -> str:
        """Return a line that says what the run is doing."""
        state = self.state
        since = time_so_far(state.elapsed_in_phase) if state.steps is None or not state.steps.total else ""
        doing = state.activity() or ("" if state.phases.label_now else "starting")
        return self._in_phase(", ".join(filter(None, (doing, since or state.left_in_words()))))

    def _in_phase(self, line: str) -> str:
        label = self.state.phases.label_now
        return self._named(f"{label}: {line}" if label else line)

    def _named(self, line: str) -> str:
        return f"{self.state.name}: {line}" if self.state.name else line

    def _write(self, line: str) -> None:
        self._wrote = self.clock()
        self.write(line)


def as_progress(hook: ProgressHook | None) -> Progress:
    """Return the hook itself if it is told messages, else one that writes lines to it; None shows nothing."""
    if isinstance(hook, Progress):
        return hook
    return Progress() if hook is None else Lines(hook)
