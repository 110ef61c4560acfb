"""Leases: the right to do something, held by one process at a time until it ends or releases it.

A lease is a file that is created only if it does not exist. Its holder updates the file's time every few seconds. A
process that finds the file waits, unless the holder is known to have ended or has not updated the file for so long that
it must have ended. No operating-system locks are used, so leases work on shared file systems too. Clocks of different
machines are not compared: a waiting process measures on its own clock how long the file has not changed.

A lease avoids duplicate work but does not guarantee exclusive writes: a process that was suspended for minutes may
resume after another one has taken over. Files written under a lease must therefore still be written atomically.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from bench.files.owner import Owner

BEAT_SECONDS = 10.0
EXPIRY_SECONDS = 120.0
"""Longer than the delay with which network file systems show a change of a file's time."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Shortest and longest pause between two checks of a lease that another process holds; each pause doubles the last."""
PATIENCE = 16 * SHORTEST_PAUSE
"""Length of the pause before which a message says that the process is waiting."""


class Lease:
    """One process's view of a lease."""

    def __init__(self, path: Path, beat_seconds: float = BEAT_SECONDS, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self.path = path
        self.beat_seconds, self.expiry_seconds = beat_seconds, expiry_seconds
        self.touched = [path]
        """Paths whose time is updated while the lease is held, as a sign of life for other processes."""
        self._text = f"{Owner.this_process()} {secrets.token_hex(8)} {socket.gethostname()}"
        self._last_change: tuple[int, float] | None = None
        self._end = Event()

    @contextmanager
    def held(self, what: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the lease in a block, waiting for its current holder first; ``what`` names in messages what is made."""
        pause = SHORTEST_PAUSE
        while not self.take():
            time.sleep(min(pause, LONGEST_PAUSE))
            pause *= 2
            if PATIENCE <= pause < 2 * PATIENCE:
                say(f"waiting for {self.holder()}, which makes {what}")
        try:
            yield
        finally:
            self.release()

    def take(self) -> bool:
        """Take the lease unless a running process holds it; return whether it is held now."""
        if self._create():
            return True
        if not self._is_abandoned():
            return False
        succession = self._succession
        if not succession.take():
            return False
        try:
            # another process may have taken over and finished in the meantime
            if self._is_abandoned():
                self.path.unlink(missing_ok=True)
        finally:
            succession.release()
        return self._create()

    def release(self) -> None:
        """Release the lease, unless another process has taken it over in the meantime."""
        self._end.set()
        with suppress(OSError):
            if self.path.read_text(encoding="utf-8") == self._text:
                self.path.unlink()

    def is_held(self) -> bool:
        """Whether a process that may still be running holds it."""
        return self.path.exists() and not self._is_abandoned()

    def holder(self) -> str:
        """Return a short description of the holder."""
        words = self._read().split(maxsplit=2)
        owner = Owner.parse(words[0]) if len(words) == 3 else None
        return "another process" if owner is None else f"process {owner.pid} on {words[2]}"

    @property
    def _succession(self) -> Lease:
        """The lease of the right to remove this one if it is abandoned, so that only one process does."""
        if not hasattr(self, "_heirs"):
            path = self.path.with_name(f"{self.path.name}.heir")
            self._heirs = Lease(path, self.beat_seconds, self.expiry_seconds)
        return self._heirs

    def _create(self) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except (FileExistsError, FileNotFoundError):  # FileNotFoundError: its folder was just removed
            return False
        try:
            os.write(handle, self._text.encode())
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)
        self._end = Event()
        Thread(target=self._beat, args=(self._end,), daemon=True).start()
        return True

    def _beat(self, end: Event) -> None:
        while not end.wait(self.beat_seconds):
            for path in self.touched:
                with suppress(OSError):
                    os.utime(path)

    def _is_abandoned(self) -> bool:
        try:
            changed = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        owner = Owner.parse(self._read().partition(" ")[0])
        if owner is not None and owner.is_gone:
            return True
        now = time.monotonic()
        if self._last_change is None or self._last_change[0] != changed:
            self._last_change = changed, now
        return now - self._last_change[1] > self.expiry_seconds

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except OSError:
            return ""
