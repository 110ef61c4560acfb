"""The progress of a job in another process: the worker writes it to a file, and whoever shows it reads the file."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.progress import Message, Phase, Phases, Progress, ProgressHook, Steps, tell

SECONDS_BETWEEN_WRITES = 0.5


class SharedProgress(Progress):
    """Passes everything on to a hook, and writes what was told last to a file."""

    def __init__(self, onto: ProgressHook, path: Path) -> None:
        self.onto, self.path = onto, path
        self.state: dict[str, Any] = {"names": [], "begun": [], "steps": None, "line": ""}
        self._share()  # in place of what a worker that was killed left behind

    def __call__(self, line: str) -> None:
        """Take a line."""
        self.onto(line)
        self._share(line=line)

    def tell(self, message: Message) -> None:
        """Take a message."""
        tell(self.onto, message)
        match message:
            case Phases(names):
                self._share(names=list(names))
            case Phase(name):
                self._share(begun=[*self.state["begun"], name], steps=None, line="")
            case Steps():
                self.state["steps"] = asdict(message)
                if time.monotonic() - self._wrote > SECONDS_BETWEEN_WRITES:
                    self._share()

    def _share(self, **changed: Any) -> None:
        """Write the state; progress that cannot be shown does not end the job."""
        self.state |= changed
        self._wrote = time.monotonic()
        temporary = self.path.with_name(f"{self.path.name}.new")
        with suppress(OSError):
            temporary.write_text(json.dumps(self.state), encoding="utf-8")
            temporary.replace(self.path)


class Follower:
    """Tells a hook what a worker writes to its file."""

    def __init__(self, path: Path, hook: Progress) -> None:
        self.path, self.hook = path, hook
        self._told: dict[str, Any] = {"names": [], "begun": [], "steps": None, "line": ""}

    def look(self) -> None:
        """Read the file and tell what has changed; a file that is not there or not readable tells nothing."""
        try:
            state = json.loads(self.path.read_text(encoding="utf-8"))
            new = {part: state[part] for part in self._told if state[part] != self._told[part]}
        except (OSError, ValueError, LookupError, TypeError):
            return
        if "names" in new:
            self.hook.tell(Phases(tuple(new["names"])))
        for name in new.get("begun", [])[len(self._told["begun"]) :]:
            self.hook.tell(Phase(name))
        if new.get("line"):
            self.hook(new["line"])
        if new.get("steps"):
            self.hook.tell(Steps(**new["steps"]))
        self._told |= new
