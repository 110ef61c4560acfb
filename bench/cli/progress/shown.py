"""Choose how progress is shown: live, as lines, or not at all, and in a log file as well."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from bench.cli.paths import LogPath
from bench.errors import BenchError, one_line
from bench.progress import Message, Progress

if TYPE_CHECKING:
    from rich.console import Console

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class ProgressChoice:
    """How the user wants progress to be shown."""

    quiet: bool = False
    verbose: bool = False
    log_file: Path | None = None

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Show progress on standard error while the block runs, and write it to the log file.

        Raises:
            BenchError: the log file cannot be written.
        """
        with ExitStack() as stack:
            hooks = [stack.enter_context(_display(self.verbose))] if not self.quiet else []
            if self.log_file is not None:
                hooks.append(stack.enter_context(_logged(self.log_file)))
            yield hooks[0] if len(hooks) == 1 else Several(tuple(hooks))


@dataclass(frozen=True)
class Several(Progress):
    """Passes everything on to several hooks."""

    hooks: tuple[Progress, ...]

    def __call__(self, line: str) -> None:
        """Pass on a line."""
        for hook in self.hooks:
            hook(line)

    def tell(self, message: Message) -> None:
        """Pass on a message."""
        for hook in self.hooks:
            hook.tell(message)

    def part(self, key: str, name: str) -> Progress:
        """Return the hooks of one of several runs."""
        return Several(tuple(hook.part(key, name) for hook in self.hooks))


def progress_options(command: Command) -> Command:
    """Add ``--quiet``, ``--verbose`` and ``--log-file``, passed together as ``choice: ProgressChoice``."""

    @functools.wraps(command)
    def with_choice(*arguments: Any, quiet: bool, verbose: bool, log_file: Path | None, **values: Any) -> Any:
        if quiet and verbose:
            raise BenchError("Give -q or -v, not both.")
        return command(*arguments, choice=ProgressChoice(quiet, verbose, log_file), **values)

    options = (
        click.option("-q", "--quiet", is_flag=True, help="Show no progress, only warnings and errors."),
        click.option("-v", "--verbose", is_flag=True, help="Keep every line of progress, with the time of day."),
        click.option("--log-file", type=LogPath(), help="Append the progress to this file, with times."),
    )
    for option in reversed(options):
        with_choice = option(with_choice)
    return with_choice  # type: ignore[return-value]


def live_console() -> Console | None:
    """Return a console on standard error if it is a terminal that can redraw lines, else None; only then load rich."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return None
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    return console if console.is_terminal and not console.is_dumb_terminal else None


@contextmanager
def _display(verbose: bool) -> Iterator[Progress]:
    console = live_console()
    if console is None:
        from bench.cli.progress.plain import PlainDisplay

        with PlainDisplay(timed_on_stderr if verbose else line_on_stderr) as plain:
            yield plain
    else:
        from bench.cli.progress.live import LiveDisplay

        with LiveDisplay(console, verbose) as live:
            yield live


@contextmanager
def _logged(path: Path) -> Iterator[Progress]:
    from bench.runs.progress.lines import Lines

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise BenchError(f"Cannot write to the log file {path}: {error.strerror}.") from error
    with file:
        write = _writer(file)
        write(f"bench {' '.join(sys.argv[1:])}")
        try:
            yield Lines(write)
        except BaseException as error:
            write(f"{type(error).__name__}: {error}")
            raise


def _writer(file: TextIO) -> Callable[[str], None]:
    def write(line: str) -> None:
        with suppress(OSError):  # a full disk does not end the run
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {one_line(line)}\n")

    return write


def line_on_stderr(line: str) -> None:
    """Print a line on stderr; a stream that cannot be written, such as a full disk, does not end the run."""
    with suppress(OSError):
        click.echo(one_line(line), err=True)


def timed_on_stderr(line: str) -> None:
    """Print a line with the time of day on stderr."""
    line_on_stderr(f"{time.strftime('%H:%M:%S')} {line}")
