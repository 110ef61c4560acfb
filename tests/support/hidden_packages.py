"""Call ``bench`` in a separate process in which some packages appear not to be installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec

from tests.support.command_line import Outcome

CALL_EACH = """
import json, sys
from dataclasses import asdict
from tests.support.hidden_packages import Hidden

hidden, calls = json.loads(sys.argv[1])
sys.meta_path.insert(0, Hidden(hidden))
import bench.cli.progress.plain
from tests.support.command_line import call_bench

bench.cli.progress.plain.LONGEST_SILENCE_SECONDS = float("inf")  # a slow machine would add lines

json.dump([asdict(call_bench(words)) for words in calls], sys.stdout)
"""


class Hidden:
    """A finder that hides these packages from all other finders."""

    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return None


def call_without(packages: Iterable[str], calls: Iterable[Sequence[str]]) -> list[Outcome]:
    """Call ``bench`` with several argument lists, all in one process without these packages."""
    arguments = json.dumps([list(packages), [list(words) for words in calls]])
    done = subprocess.run([sys.executable, "-c", CALL_EACH, arguments], check=True, capture_output=True, text=True)
    return [Outcome(**outcome) for outcome in json.loads(done.stdout)]
