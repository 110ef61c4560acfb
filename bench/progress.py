"""What code can tell about its progress: lines of text, and, to displays that show more, phases and steps.

A progress hook is any function that takes a line. A :class:`Progress` is such a function as well, and is also told
messages: ``tell(hook, Steps("encoding titles", 320, 12_101))`` does nothing if the hook is a plain function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

SECONDS_PER_MINUTE, MINUTES_PER_HOUR = 60, 60

ProgressHook = Callable[[str], None]
"""Called with one-line progress messages; a :class:`Progress` is told phases and steps as well."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Phases:
    """The phases of a run in their order, including those to come; a name may occur several times."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Expected:
    """How long phases are expected to take, for example because earlier runs took so long."""

    seconds: Mapping[str, float]
    """Seconds by name of the phase; one of several phases of the same name takes as long as the others."""


@dataclass(frozen=True)
class Phase:
    """A phase begins, and the one before it has ended. The second time a name is told, its second phase begins."""

    name: str


@dataclass(frozen=True)
class Steps:
    """How far a phase is."""

    what: str
    """What the steps do, such as ``encoding titles``."""
    done: int
    total: int | None = None
    """Number of steps; None if it is not known."""
    unit: str = ""
    """What one step is, in the plural, such as ``titles``; displays show the rate in it."""
    n_after: int | None = 0
    """Further steps of the phase after these, at most; None if it is not known."""
    detail: str = ""
    """What else is known at this step, such as its loss."""


@dataclass(frozen=True)
class Note:
    """A line that stays visible, unlike those that only describe the current work."""

    line: str


@dataclass(frozen=True)
class Jobs:
    """How many of several runs have ended."""

    done: int
    total: int
    seconds_left: float | None = None
    """Expected seconds until all have ended; None if it is not known."""


@dataclass(frozen=True)
class Ended:
    """One of several runs has ended."""

    line: str
    """What became of it."""


Message = Phases | Expected | Phase | Steps | Note | Jobs | Ended


class Progress:
    """A progress hook that is told messages; this one shows nothing."""

    def __call__(self, line: str) -> None:
        """Show a line that describes the current work."""

    def tell(self, message: Message) -> None:
        """Show a message."""

    def part(self, key: str, name: str) -> Progress:
        """Return the hook of one of several runs; ``key`` identifies the run and ``name`` is shown."""
        return self


@dataclass(frozen=True)
class Prefixed(Progress):
    """Adds a prefix to lines, to say whose they are, and another one to what steps do."""

    onto: ProgressHook
    prefix: str
    of_steps: str = ""
    within_steps: bool = False
    """Whether the steps are only a part of other steps, so that they do not say when the phase ends."""

    def __call__(self, line: str) -> None:
        """Pass on the line with the prefix."""
        self.onto(f"{self.prefix}{line}")

    def tell(self, message: Message) -> None:
        """Pass on the message, steps with their prefix."""
        if isinstance(message, Steps):
            n_after = None if self.within_steps else message.n_after
            message = replace(message, what=f"{self.of_steps}{message.what}", n_after=n_after)
        tell(self.onto, message)


class Relay(Progress):
    """Passes everything on to a hook that can be exchanged."""

    def __init__(self, onto: ProgressHook) -> None:
        self.onto = onto

    def __call__(self, line: str) -> None:
        """Pass on the line."""
        self.onto(line)

    def tell(self, message: Message) -> None:
        """Pass on the message."""
        tell(self.onto, message)


@dataclass
class PhaseList:
    """The phases of a run, and which of them is the current one."""

    names: tuple[str, ...] = ()
    current: int | None = None
    """Index of the current phase; None before the first."""
    begun: set[int] = field(default_factory=set)

    def plan(self, names: tuple[str, ...]) -> None:
        """Set the phases; the current one stays current if it is among them."""
        now = self.now
        self.names, self.begun, self.current = names, set(), None
        if now is not None:
            self.begin(now)

    def begin(self, name: str) -> bool:
        """Begin the next phase of this name, or return to the only one; return whether the phase has changed."""
        before = self.current
        places = [place for place, other in enumerate(self.names) if other == name]
        if not places:  # not planned: it comes after the current one
            place = 0 if before is None else before + 1
            self.names = (*self.names[:place], name, *self.names[place:])
            self.begun = {one + (one >= place) for one in self.begun}
            places = [place]
        self.current = next((place for place in places if place not in self.begun), places[-1])
        self.begun.add(self.current)
        return self.current != before

    @property
    def now(self) -> str | None:
        """Name of the current phase; None before the first."""
        return None if self.current is None else self.names[self.current]

    def label(self, place: int) -> str:
        """Return a phase's name, with its number if several have the same."""
        same = [other for other, name in enumerate(self.names) if name == self.names[place]]
        return f"{self.names[place]} {same.index(place) + 1}/{len(same)}" if len(same) > 1 else self.names[place]

    @property
    def label_now(self) -> str:
        """The current phase as it is shown; empty before the first."""
        return "" if self.current is None else self.label(self.current)


def tell(hook: ProgressHook | None, message: Message) -> None:
    """Tell a hook a message if it is a :class:`Progress`; a plain function is only told notes, as lines."""
    if isinstance(hook, Progress):
        hook.tell(message)
    elif hook is not None and isinstance(message, Note):
        hook(message.line)


def prefixed(hook: ProgressHook, prefix: str, of_steps: str = "", *, within_steps: bool = False) -> ProgressHook:
    """Return a hook that passes everything on to ``hook``.

    Args:
        hook: The hook.
        prefix: Added to lines, to say whose they are.
        of_steps: Added to what steps do.
        within_steps: For steps that are a part of other steps, such as a validation during training.
    """
    return Prefixed(hook, prefix, of_steps, within_steps)


def counted(
    items: Iterable[Item], hook: ProgressHook | None, what: str, total: int | None = None, unit: str = ""
) -> Iterator[Item]:
    """Yield the items and tell the hook after each how many are done; each counts as one step."""
    tell(hook, Steps(what, 0, total, unit))
    for done, item in enumerate(items, start=1):
        yield item
        tell(hook, Steps(what, done, total, unit))


def time_so_far(seconds: float) -> str:
    """Return a running time to the second, such as ``40 s so far`` or ``12 min 05 s so far``.

    Lines that are written every second or two would repeat themselves if it were rounded to minutes.
    """
    minutes, rest = divmod(round(seconds), SECONDS_PER_MINUTE)
    return f"{minutes} min {rest:02d} s so far" if minutes else f"{rest} s so far"


def duration(seconds: float) -> str:
    """Return a duration for people, such as ``40 s``, ``12 min`` or ``3 h 05 min``."""
    minutes = round(seconds / SECONDS_PER_MINUTE)
    if minutes < 2:
        return f"{seconds:.0f} s"
    if minutes < 2 * MINUTES_PER_HOUR:
        return f"{minutes} min"
    return f"{minutes // MINUTES_PER_HOUR} h {minutes % MINUTES_PER_HOUR:02d} min"
