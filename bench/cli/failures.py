"""One-line messages for failures of the machine; errors in the code itself are raised."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from bench.errors import one_line

INTERRUPTED = (
    "Interrupted. Finished runs, trained models and checkpoints are kept; the same command continues from them."
)
_LIBRARY_ERRORS = ("SafetensorError", "OutOfMemoryError")
"""Names of exception classes of libraries that are not imported here."""
_NO_MEMORY = "can't allocate memory"
"""Text of PyTorch's out-of-memory error on a CPU, which has no separate class."""


def failure_of_machine(error: BaseException) -> str | None:
    """Return the message for an error caused by disk, memory or a stream; None for any other error."""
    if isinstance(error, FileExistsError | NotADirectoryError) and error.filename:
        return f"'{error.filename}' is in the way: a directory is expected there."
    if isinstance(error, OSError):
        return _failed_file(error)
    if isinstance(error, MemoryError) or _NO_MEMORY in str(error):
        return _with_reason("There is not enough memory", str(error))
    if type(error).__name__ in _LIBRARY_ERRORS:
        return one_line(f"{type(error).__name__}: {error}")
    if isinstance(error, EOFError):
        return _with_reason("A file or standard input ended too early", str(error))
    return None


def flush_streams() -> None:
    """Flush the output streams; a stream that cannot be written is redirected, so that Python's shutdown does not fail.

    Raises:
        OSError: standard output cannot be written, because of a full disk or a closed pipe.
    """
    with suppress(OSError):
        _flush(sys.stderr)
    _flush(sys.stdout)


def make_streams_lenient() -> None:
    """Print characters that the terminal's encoding lacks as escapes, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _failed_file(error: OSError) -> str:
    reason = error.strerror or str(error)
    if not error.filename:
        return one_line(reason[:1].upper() + reason[1:] + ".")
    return one_line(f"Cannot use '{error.filename}': {reason}.")


def _with_reason(said: str, reason: str) -> str:
    return one_line(f"{said} ({reason})." if reason else f"{said}.")


def _flush(stream: TextIO | None) -> None:
    if stream is None or stream.closed:
        return
    try:
        stream.flush()
    except OSError:
        # Python flushes once more at exit
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise
