"""The log that is kept with a stored run: what it told about its progress, and when."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import one_line
from bench.progress import Message, Progress, ProgressHook, tell
from bench.runs.find import shown_time
from bench.runs.progress.lines import Lines
from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.runs.record import RunRecord

SECONDS_BETWEEN_STEPS = 30.0
ENDS = r"(?=[\\/\s'\",;:)]|$)"
"""The end of a path, or of a directory's name in it."""
HOMES = re.compile(r"(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/][^\\/\s'\",;:)]+|/root" + ENDS)
"""Home directories, which contain the name of a user."""


class RunLog(Progress):
    """Passes everything on to a hook and keeps it as lines."""

    def __init__(self, onto: ProgressHook, clock: Callable[[], float] = time.monotonic) -> None:
        self.onto, self.clock = onto, clock
        self.lines: list[str] = []
        self._began = clock()
        self._writer = Lines(self.keep, SECONDS_BETWEEN_STEPS, clock)

    def __call__(self, line: str) -> None:
        """Keep a line and pass it on."""
        self._writer(line)
        self.onto(line)

    def tell(self, message: Message) -> None:
        """Keep what a message says and pass it on."""
        self._writer.tell(message)
        tell(self.onto, message)

    def text(self, folders: Folders, record: RunRecord) -> str:
        """Return what was run, and the log, without the paths of directories that belong to a user or a machine."""
        return "".join(f"{without_places(line, folders)}\n" for line in (_title(record), *self.lines))

    def keep(self, line: str) -> None:
        """Keep a line without passing it on."""
        self.lines.append(f"{self.clock() - self._began:9.1f} s  {one_line(line)}")


def _title(record: RunRecord) -> str:
    """Return the command that makes a run, which is the same from Python, with the version and the time."""
    command = RunRequest.of(record.spec, record.overrides).command()
    return one_line(f"{command} (bench {record.bench_version}, {shown_time(record.created)} UTC)")


def without_places(text: str, folders: Folders) -> str:
    """Return a text with names in place of the run's directories, and ``~`` in place of home directories."""
    named = {"<data>": folders.data_dir, "<cache>": folders.cache_dir, "<results>": folders.results_dir}
    paths = {str(path.absolute()): name for name, path in named.items() if path is not None}
    paths.setdefault(str(Path("~").expanduser()), "~")
    for path in sorted(paths, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.~/\\]){re.escape(path)}{ENDS}", paths[path], text)
    return HOMES.sub("~", text)
