"""The live display on a terminal: phases, a bar, the rate and the remaining time of each run in progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bench.errors import one_line
from bench.progress import Ended, Jobs, Message, Note, Progress, time_so_far
from bench.runs.progress.state import RunState, jobs_in_words

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESHES_PER_SECOND = 5
WIDEST_BAR, NARROWEST_BAR = 24, 8


class LiveDisplay(Progress):
    """Shows the runs in progress below the lines that stay: notes, and with ``verbose`` every line."""

    def __init__(self, console: Console, verbose: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.verbose, self.clock = console, verbose, clock
        self.lock = RLock()
        self.rows: dict[str, _Row] = {}
        self.jobs: Jobs | None = None
        self.jobs_told = clock()
        self._own = _Row(self, "")
        self.is_ascii = not console.encoding.startswith("utf")
        self.overflow = "crop" if self.is_ascii else "ellipsis"
        self.spinner = Spinner("line" if self.is_ascii else "dots")
        self._live = Live(
            console=console,
            get_renderable=self.view,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, line: str) -> None:
        """Show a line."""
        self._own(line)

    def tell(self, message: Message) -> None:
        """Take a message."""
        with self.lock:
            if isinstance(message, Jobs):
                self.jobs, self.jobs_told = message, self.clock()
                return
        self._own.tell(message)

    def part(self, key: str, name: str) -> Progress:
        """Return the hook of one of several runs."""
        with self.lock:
            return self.rows.setdefault(key, _Row(self, name, key))

    def keep(self, line: str) -> None:
        """Print a line that stays."""
        self.console.print(Text(self.readable(line)), soft_wrap=True)

    def readable(self, text: str) -> str:
        """Return a text in one line that the terminal's encoding can show."""
        shown = one_line(text)
        return shown.replace("·", "-").encode("ascii", "replace").decode() if self.is_ascii else shown

    def view(self) -> RenderableType:
        """Return what is shown now."""
        with self.lock:
            parts: list[RenderableType] = []
            if self.jobs is not None:
                parts.append(self._overall(self.jobs))
            for row in self.rows.values():
                parts += row.view()
            if not self.rows:
                parts += self._own.view()
            return Group(*parts)

    def _overall(self, jobs: Jobs) -> RenderableType:
        left = None if jobs.seconds_left is None else jobs.seconds_left - (self.clock() - self.jobs_told)
        return self.line(ProgressBar(jobs.total, jobs.done, self.bar_width), jobs_in_words(jobs, left), "bold")

    @property
    def bar_width(self) -> int:
        """Columns of a bar: less on a narrow terminal."""
        return max(NARROWEST_BAR, min(WIDEST_BAR, self.console.width // 4))

    def line(self, start: RenderableType, text: str, style: str = "") -> RenderableType:
        """Return one line: something of fixed width, and a text that is cut at the edge of the terminal."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow=self.overflow)  # type: ignore[arg-type]  # one of rich's words
        grid.add_row(start, Text(self.readable(text), style=style, no_wrap=True, overflow=self.overflow))  # type: ignore[arg-type]
        return grid


class _Row(Progress):
    """One run on the display."""

    def __init__(self, display: LiveDisplay, name: str, key: str = "") -> None:
        self.display, self.key = display, key
        self.state = RunState(name, display.clock)

    def __call__(self, line: str) -> None:
        with self.display.lock:
            self.state.hear_line(line)
        if self.display.verbose:
            label = ": ".join(filter(None, (self.state.name, self.state.phases.label_now)))
            self.display.keep(f"{label}: {line}" if label else line)

    def tell(self, message: Message) -> None:
        with self.display.lock:
            self.state.hear(message)
            if isinstance(message, Ended):
                self.display.rows.pop(self.key, None)
        if isinstance(message, Note | Ended):
            self.display.keep(message.line)

    def view(self) -> list[RenderableType]:
        """Return the lines of the run: name and phases, then the bar and what is done."""
        state, display = self.state, self.display
        lines: list[RenderableType] = []
        if state.name:
            lines.append(Text(display.readable(state.name), style="bold", no_wrap=True, overflow=display.overflow))  # type: ignore[arg-type]
        if state.phases.names:
            lines.append(self._phases())
        steps = state.steps
        if steps is not None and steps.total:
            start: RenderableType = ProgressBar(steps.total, steps.done, display.bar_width)
        else:
            start = display.spinner
        # the time first, because a narrow terminal shows only the beginning
        text = ", ".join(filter(None, (self._time(), state.activity() or "starting")))
        lines.append(display.line(start, text))
        return lines

    def _phases(self) -> Text:
        """Return the phases: those that are done, the current one and those to come."""
        separator, styles = (
            " - " if self.display.is_ascii else " · ",
            {"done": "green", "now": "bold", "to come": "dim"},
        )
        words = [(self.display.readable(label), styles[place]) for label, place in self.state.labels()]
        text = Text(no_wrap=True, overflow=self.display.overflow)  # type: ignore[arg-type]
        for number, (label, style) in enumerate(words):
            text.append(separator if number else "", style="dim").append(label, style=style)
        return text

    def _time(self) -> str:
        return self.state.left_in_words() or time_so_far(self.state.elapsed_in_phase)
