"""The program on the page "Scores from other programs" runs as it is, and its scores come back into a table."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.command_line import call_bench
from tests.support.documented_commands import blocks, commands_in, pages, without_comments
from tests.support.imports import FOLDERS

PAGE = pages(Path(__file__).parents[2])["docs/pages/external.md"]
(PROGRAM,) = [block.text for block in blocks(PAGE) if block.title == "als.py"]


def commands_of_the_page() -> list[tuple[str, ...]]:
    scripts = [block.text for block in blocks(PAGE) if block.language == "sh"]
    return [words for text in scripts for words in commands_in(without_comments(text))]


def test_the_program_imports_nothing_of_bench() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", PROGRAM, re.MULTILINE))
    assert imported == {"sys", "pathlib", "numpy", "pandas"}
    assert imported.isdisjoint(FOLDERS)


@pytest.mark.skipif(find_spec("recbole") is None, reason="the page's data are part of RecBole's wheel")
def test_the_program_of_the_page_takes_part_in_a_tested_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CACHE", "RESULTS"):
        monkeypatch.setenv(f"BENCH_{name}", str(tmp_path / name.lower()))
    assert call_bench(["export-task", "ml-100k-drama", "task"]).code == 0
    Path("als.py").write_text(PROGRAM, encoding="utf-8")
    subprocess.run([sys.executable, "als.py", "task"], check=True)
    outcomes = [call_bench(words) for words in commands_of_the_page()]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes
    row = next(line for line in outcomes[-1].stdout.splitlines() if line.startswith("external:als"))
    assert row.startswith("external:als §")
    assert row.count("(1)*") == 2
