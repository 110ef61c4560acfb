"""Run the commands of the pages as a reader would and compare their output with the output shown.

A ``console`` block shows commands, each after ``$``, with their output. A command without output, there or in an ``sh``
block, only has to succeed. After the output of ``bench`` has changed, run ``python -m tests.support.console`` to update
README and pages.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import bench
from tests.support.command_line import Outcome, call_bench
from tests.support.documented_commands import FENCE, blocks, commands_in, pages, without_comments
from tests.support.shop_toy import write_shop

ROOT = Path(bench.__file__).parent.parent
PROMPT = re.compile(r"^\$ ", re.MULTILINE)
SECONDS = re.compile(r"\b\d+\.\d s\b")
"""A measured time, which differs from one run to the next."""
FOLDERS = ("BENCH_DATA", "BENCH_USER_DATA", "BENCH_CACHE", "BENCH_RESULTS")

DATA = "needs data that have to be downloaded"
MINUTES = "trains for minutes"
OWN = "needs a method of the reader's own; tests/templates runs what 'bench new' writes"
NOT_RUN: Mapping[str, str] = {
    "bench run --method reccocktail": MINUTES,
    "bench run --method sasrec": MINUTES,
    "bench run --method tallrec": MINUTES,
    "bench run --method zeroshot": MINUTES,
    "bench reproduce demo": MINUTES,
    "bench reproduce my-table.yaml": MINUTES,
    "bench run --method bpr --dataset beauty": DATA,
    "bench run --method target-only --dataset beauty": DATA,
    "bench candidates beauty": DATA,
    "bench plan main-warm-cold": DATA,
    "bench reproduce full-ranking": DATA,
    "bench reproduce main-warm-cold": DATA,
    "bench reproduce merging-one-source": DATA,
    "bench new baseline": "writes into the checkout; tests/templates runs it elsewhere",
    "bench check my-method": OWN,
    "bench run --method my-method": OWN,
    "bench describe mine": OWN,
    "bench run --method mine": OWN,
    "bench artifacts": "needs trained adapters; tests/cli/test_artifacts.py shares some",
    "bench import-scores": "needs the scores of als.py; tests/docs/test_external_page.py runs both",
    "bench table baselines-warm --results-dir results/measured --strict": "is refused, as its page says",
    "bench table reccocktail-figure4": "no run of this figure is shipped while its adapters are trained again",
    "bench report": "reads all shipped runs for minutes; tests/report/page builds smaller pages",
}
"""Start of a command line -> the reason it is not run."""
EXCEPT = ("bench reproduce demo --dry-run",)
"""Commands that are run although they start like one that is not."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "docs/pages/tables.md": ("run", "--method", "text-knn", "--dataset", "ml-100k-drama", "--setting", "cold"),
}
"""A run that a page requires because another page creates it."""


@dataclass(frozen=True)
class Example:
    """A command of a page and the output shown there."""

    words: tuple[str, ...]
    """Without ``bench``."""
    output: str
    """Empty if the page shows none."""

    @property
    def line(self) -> str:
        return " ".join(["bench", *self.words])

    @property
    def is_run(self) -> bool:
        return self.line in EXCEPT or not any(self.line.startswith(start) for start in NOT_RUN)


def examples_in(markdown: str) -> Iterator[Example]:
    """Yield the commands in a page's ``sh`` and ``console`` blocks, in order."""
    for block in blocks(markdown):
        if block.language == "sh":
            yield from (Example(words, "") for words in commands_in(without_comments(block.text)))
        elif block.language == "console":
            yield from (_example(line, output) for line, output in _parts(block.text))


def _parts(console: str) -> Iterator[tuple[str, str]]:
    """Yield each command line of a console block with the output below it."""
    for part in PROMPT.split(console)[1:]:
        line, _, output = part.partition("\n")
        yield line, trimmed(output)


def _example(line: str, output: str) -> Example:
    (words,) = commands_in(without_comments(line))
    return Example(words, output)


def outcomes_of(name: str, markdown: str, folder: Path, cache: Path) -> list[tuple[Example, Outcome]]:
    """Run a page's commands in a new folder with the files that the pages mention; return the outcomes."""
    write_shop(folder.parent, folder.name)
    for written, mentioned in (("interactions.csv", "orders.csv"), ("items.csv", "catalogue.csv")):
        shutil.copy(folder / written, folder / mentioned)
    (folder / "results").mkdir()
    (folder / "results" / "measured").symlink_to(ROOT / "results" / "measured")
    for block in blocks(markdown):
        if block.title.endswith(".yaml") and "/" not in block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key not in FOLDERS} | {
        "BENCH_CACHE": str(cache),
        "BENCH_USER_DATA": str(folder.parent / "user-data"),
    }
    with contextlib.chdir(folder), patch.dict(os.environ, environment, clear=True):
        if name in NEEDED:
            call_bench(NEEDED[name])
        return [(example, call_bench(example.words)) for example in examples_in(markdown) if example.is_run]


def complaint(example: Example, outcome: Outcome) -> str:
    """Return how a command's outcome differs from its page; empty if it does not."""
    if outcome.code != 0:
        return f"exit code {outcome.code}: {outcome.stderr}"
    if example.output and _timeless(outcome.stdout) != _timeless(example.output):
        return f"printed:\n{outcome.stdout}\nshown:\n{example.output}"
    return ""


def _timeless(output: str) -> str:
    return SECONDS.sub("… s", trimmed(output))


def trimmed(output: str) -> str:
    """Return an output without surrounding empty lines and trailing spaces."""
    return "\n".join(line.rstrip() for line in output.splitlines()).strip("\n")


def refreshed(markdown: str, printed: Mapping[str, str]) -> str:
    """Return a page whose console blocks show the printed outputs, given by command line.

    Outputs that differ only in their times are not changed.
    """

    def refresh(block: re.Match[str]) -> str:
        if block["language"] != "console":
            return block[0]
        lines = []
        for line, output in _parts(block["text"]):
            now = trimmed(printed[_example(line, output).line]) if output else ""
            lines += [f"$ {line}", *([output if _timeless(now) == _timeless(output) else now] if output else [])]
        return "\n".join(["```console", *lines, "```"])

    return FENCE.sub(refresh, markdown)


def main() -> None:
    """Write the output of their commands into README and pages."""
    for name, text in pages(ROOT).items():
        if any(example.output for example in examples_in(text)):
            with tempfile.TemporaryDirectory() as folder:
                outcomes = outcomes_of(name, text, Path(folder, "page"), Path(folder, "cache"))
            printed = {example.line: outcome.stdout for example, outcome in outcomes}
            (ROOT / name).write_text(refreshed(text, printed), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
