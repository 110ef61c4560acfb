"""The commands of README and pages succeed, and print what the pages show."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.command_line import Outcome
from tests.support.console import EXCEPT, NEEDED, NOT_RUN, ROOT, Example, complaint, examples_in, outcomes_of, refreshed
from tests.support.documented_commands import pages

PAGES = pages(ROOT)
RUN = {name: [one for one in examples_in(text) if one.is_run] for name, text in PAGES.items()}
SHOWING = {name for name, examples in RUN.items() if any(one.output for one in examples)}
CONSOLE = "Run it:\n\n```console\n$ bench doctor --json  # a comment\n{}$ bench run\nfit 0.1 s \n\nhit 1.00\n```\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("recbole") is None, reason="the pages' data are part of RecBole's wheel")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.numbers if name in SHOWING else ()) for name in RUN if RUN[name]],
)
def test_the_commands_of_a_page_print_what_it_shows(name: str, tmp_path: Path, cache: Path) -> None:
    outcomes = outcomes_of(name, PAGES[name], tmp_path / "page", cache)
    faults = {example.line: complaint(example, outcome) for example, outcome in outcomes}
    assert {line: fault for line, fault in faults.items() if fault} == {}


def test_most_pages_have_commands_that_are_run_and_the_first_ones_show_output() -> None:
    assert sum(len(examples) for examples in RUN.values()) > 20
    for name in ("README.md", "docs/pages/index.md"):
        assert len([one for one in RUN[name] if one.output]) > 1


def test_every_exception_is_of_a_command_that_is_shown() -> None:
    lines = [one.line for text in PAGES.values() for one in examples_in(text)]
    assert [start for start in (*NOT_RUN, *EXCEPT) if not any(line.startswith(start) for line in lines)] == []
    assert set(NEEDED) <= set(PAGES)


def test_times_and_trailing_spaces_may_differ_but_no_number() -> None:
    _, example = examples_in(CONSOLE.format(""))
    assert example == Example(("run",), "fit 0.1 s\n\nhit 1.00")
    assert complaint(example, Outcome(0, "fit 12.3 s\n\nhit 1.00  \n", "")) == ""
    assert "hit 1.01" in complaint(example, Outcome(0, "fit 0.1 s\n\nhit 1.01\n", ""))
    assert "exit code 2: Error" in complaint(Example(("run",), ""), Outcome(2, "", "Error"))


def test_refreshing_replaces_what_is_shown_and_nothing_else() -> None:
    printed = {"bench doctor --json": "{}\n", "bench run": "fit 0.2 s\n\nhit 2.00\n\n"}
    shown = CONSOLE.replace("0.1 s ", "0.2 s").replace("1.00", "2.00")
    assert refreshed(CONSOLE.format(""), printed) == shown.format("")
    assert refreshed(CONSOLE.format("[]\n"), printed) == shown.format("{}\n")
    only_slower = {**printed, "bench run": "fit 9.0 s\n\nhit 1.00\n"}
    assert refreshed(CONSOLE.format(""), only_slower) == CONSOLE.replace("0.1 s ", "0.1 s").format("")
