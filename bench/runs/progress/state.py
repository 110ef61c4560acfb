"""The state of a run as its messages describe it: phases, steps, their rate and the remaining time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.progress import Expected, Jobs, Message, Phase, PhaseList, Phases, Steps, duration

SECONDS_OF_RATE = 30.0
"""The rate is that of the last so many seconds."""
SHORTEST_FOR_RATE = 0.2
"""Seconds of steps without which no rate is shown."""
MOST_OF_A_NAME = 3
"""Phases of one name that are listed; of more, only one is."""
Place = Literal["done", "now", "to come"]
BYTES = "bytes"
"""The unit that is shown with a prefix, such as MB."""


@dataclass
class RunState:
    """What is known of a run that is in progress."""

    name: str = ""
    clock: Callable[[], float] = time.monotonic
    phases: PhaseList = field(default_factory=PhaseList)
    expected: Mapping[str, float] = field(default_factory=dict)
    steps: Steps | None = None
    line: str = ""
    """The last line of the current phase."""
    _seen: deque[tuple[float, int]] = field(default_factory=deque)
    """When how many of the current steps were done."""

    def __post_init__(self) -> None:
        self.began = self.phase_began = self.clock()

    def hear_line(self, line: str) -> None:
        """Take a line."""
        self.line = line

    def hear(self, message: Message) -> bool:
        """Take a message; return whether another phase has begun."""
        match message:
            case Phases(names):
                self.phases.plan(names)
            case Expected(seconds):
                self.expected = seconds
            case Phase(name):
                return self._begin(name)
            case Steps():
                self._step(message)
        return False

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self.began

    @property
    def elapsed_in_phase(self) -> float:
        """Seconds since the current phase began."""
        return self.clock() - self.phase_began

    @property
    def rate(self) -> float | None:
        """Current steps per second; None if there were too few."""
        if not self._seen:
            return None
        (first_time, first), (last_time, last) = self._seen[0], self._seen[-1]
        seconds = last_time - first_time
        return (last - first) / seconds if last > first and seconds > SHORTEST_FOR_RATE else None

    @property
    def seconds_left(self) -> float | None:
        """Expected seconds until the run ends, as far as the phases to come are known; None if the current is not."""
        now = self._left_now()
        if now is None:
            return None
        first = 0 if self.phases.current is None else self.phases.current + 1
        return now + sum(self.expected.get(name, 0.0) for name in self.phases.names[first:])

    def labels(self) -> list[tuple[str, Place]]:
        """Return the phases as they are shown, with where they are; many of one name are shown as one."""
        current, found = self.phases.current, []
        for place, name in enumerate(self.phases.names):
            same = [other for other, another in enumerate(self.phases.names) if another == name]
            if len(same) > MOST_OF_A_NAME:
                shown = current if current in same else same[0] if (current or 0) < same[0] else same[-1]
                if place != shown:
                    continue
            where: Place = "to come" if current is None or place > current else "now" if place == current else "done"
            found.append((self.phases.label(place), where))
        return found

    def activity(self) -> str:
        """Return what the run is doing, with steps and their rate."""
        steps = self.steps
        if steps is None:
            return self.line
        if steps.total is None:
            counts = amount(steps.done, steps.unit) if steps.done else ""
        else:
            share = f" ({steps.done / steps.total:.0%})" if steps.total else ""
            counts = f"{amount(steps.done)}/{amount(steps.total, steps.unit)}{share}"
            if steps.unit == BYTES:
                counts = f"{amount(steps.done, BYTES)} of {amount(steps.total, BYTES)}{share}"
        parts = (" ".join(filter(None, (steps.what, counts))), steps.detail, self.rate_in_words())
        return ", ".join(filter(None, parts))

    def rate_in_words(self) -> str:
        """Return the rate, such as ``35 titles/s``; empty if it is not known."""
        if self.rate is None or self.steps is None:
            return ""
        unit = self.steps.unit
        if unit == BYTES:
            return f"{amount(round(self.rate), BYTES)}/s"
        if self.rate < 1:
            return f"{1 / self.rate:.1f} s each"
        return f"{self.rate:.1f} {unit}/s" if self.rate < 10 else f"{self.rate:,.0f} {unit}/s"

    def left_in_words(self) -> str:
        """Return the remaining time, such as ``12 min left``; empty if it is not known."""
        left = self.seconds_left
        return "" if left is None or left < 1 else f"{duration(left)} left"

    def _begin(self, name: str) -> bool:
        if not self.phases.begin(name):
            return False
        self.phase_began, self.steps, self.line = self.clock(), None, ""
        self._seen.clear()
        return True

    def _step(self, steps: Steps) -> None:
        now, before = self.clock(), self.steps
        if before is None or (before.what, before.total) != (steps.what, steps.total) or steps.done < before.done:
            self._seen.clear()
        self.steps = steps
        self._seen.append((now, steps.done))
        while len(self._seen) > 2 and now - self._seen[0][0] > SECONDS_OF_RATE:
            self._seen.popleft()

    def _left_now(self) -> float | None:
        """Return the expected seconds until the current phase ends: what the steps say, at most what is expected."""
        name, steps = self.phases.now, self.steps
        by_steps = None
        if steps is not None and steps.total is not None and steps.n_after is not None and self.rate:
            by_steps = (steps.total - steps.done + steps.n_after) / self.rate
        expected = None if name is None else self.expected.get(name)
        by_earlier_runs = (
            None if expected is None or expected < self.elapsed_in_phase else (expected - self.elapsed_in_phase)
        )
        if steps is not None and steps.n_after == 0 and by_steps is not None:
            return by_steps
        return min((left for left in (by_steps, by_earlier_runs) if left is not None), default=None)


def jobs_in_words(jobs: Jobs, seconds_left: float | None = None) -> str:
    """Return how many of several runs have ended, and the expected remaining time."""
    left = jobs.seconds_left if seconds_left is None else seconds_left
    text = f"{jobs.done:,} of {jobs.total:,} jobs done"
    return text if left is None or left < 1 else f"{text}, about {duration(left)} left"


def amount(number: int, unit: str = "") -> str:
    """Return a number with its unit; bytes with a prefix, such as ``12.3 MB``."""
    if unit != BYTES:
        return f"{number:,} {unit}".rstrip()
    size = float(number)
    for prefix in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.1f} {prefix}" if prefix != "B" else f"{number} B"
        size /= 1000
    return f"{size:.1f} GB"
