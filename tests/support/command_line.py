"""Call the command line as a user would, but without starting a process."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from bench.cli.main import main


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str

    @property
    def mistake(self) -> str:
        """The line that reports a user error."""
        assert self.code == 2, self
        assert self.stdout == ""
        assert self.stderr.startswith("Error: ")
        assert self.stderr.count("\n") == 1
        return self.stderr.removeprefix("Error: ").rstrip("\n")


def call_bench(words: Iterable[str]) -> Outcome:
    """Call ``bench`` with these words."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with patch.object(sys, "argv", ["bench", *words]), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main()
            code = 0
        except SystemExit as finished:
            code = int(finished.code or 0)
    return Outcome(code, stdout.getvalue(), stderr.getvalue())
