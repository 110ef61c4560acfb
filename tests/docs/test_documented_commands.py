"""Every ``bench`` line of the README, the pages and the help texts names what exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from bench.baselines.recbole_models.survey import made_up_task
from command_pages import all_commands
from hooks import filled

import bench
from bench.cli.main import cli
from bench.data.card import read_card
from bench.experiments.reader import read_experiment
from tests.support.documented_commands import Page, Shown, blocks, commands_in, complaint, pages

ROOT = Path(bench.__file__).parent.parent
PAGES = pages(ROOT)
WITH_COMMANDS = [name for name, text in PAGES.items() if Page.of(text).shown]
HELP = {
    context.command_path: context.command
    for context in all_commands(click.Context(cli, info_name="bench", **cli.context_settings))
}
ADDING = PAGES["docs/pages/extending.md"]


def test_the_pages_show_many_commands() -> None:
    assert {"README.md", "docs/pages/index.md", "docs/pages/scaling.md"} <= set(WITH_COMMANDS)
    assert sum(shown.is_whole for name in WITH_COMMANDS for shown in Page.of(PAGES[name]).shown) > 40


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_every_command_of_a_page_is_one_that_exists(name: str) -> None:
    page = Page.of(filled(PAGES[name]))
    faults = {" ".join(shown.words): complaint(shown, page) for shown in page.shown}
    assert {words: fault for words, fault in faults.items() if fault} == {}


@pytest.mark.parametrize("path", HELP)
def test_every_example_of_a_help_text_is_one_that_exists(path: str) -> None:
    lines = [line.strip() for line in (HELP[path].epilog or "").splitlines() if line.startswith("  bench ")]
    shown = [Shown(words, True) for words in commands_in("\n".join(lines))]
    assert len(shown) >= 2
    page = Page.of("\n".join(["```sh", *lines, "```"]))
    assert [fault for one in shown if (fault := complaint(one, page))] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("bench rnu --method bpr", "Unknown command 'rnu'"),
        ("bench run --method bpr", "--dataset"),
        ("bench run --methd bpr --dataset beauty", "No such option"),
        ("bench run --method bprr --dataset beauty", "Unknown method 'bprr'"),
        ("bench run --method bpr --dataset beaty", "Unknown dataset 'beaty'"),
        ("bench run --method bpr --dataset beauty -p wide=1", "has no parameter 'wide'"),
        ("bench run --method bpr --dataset beauty --setting user-split", "does not support --setting user-split"),
        ("bench run --method weaverec --dataset beauty --sources clothes", "Unknown dataset 'clothes'"),
        ("bench table dmo", "Unknown experiment 'dmo'"),
        ("bench table --dataset beauty --setting warm --metric ndgc@1", "ndgc@1"),
        ("bench compare bpr@beauty@warm nothing@beauty@warm", "Unknown method 'nothing'"),
        ("bench data stat beauty", "No such command"),
        ("bench plan my-table.yaml", "Unknown experiment"),
        ("bench reproduce demo > log && bench doctor --jsn", "No such option"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, fault: str) -> None:
    page = Page.of(f"```sh\nOMP_NUM_THREADS=1 {line}  # a comment\n```")
    assert [fault in complaint(shown, page) for shown in page.shown][-1:] == [True]


def test_a_command_in_a_sentence_may_lack_its_names_but_not_invent_options() -> None:
    page = Page.of("Call `bench describe NAME`, `bench\ntable` or `bench run --method recbole:<Class>`.")
    assert [shown.words for shown in page.shown] == [("describe", "NAME"), ("table",), ("run", "--method", "recbole:…")]
    assert [complaint(shown, page) for shown in page.shown] == ["", "", ""]
    (wrong,) = Page.of("Call `bench run --methd NAME`.").shown
    assert "No such option" in complaint(wrong, page)


@pytest.mark.parametrize("name", PAGES)
def test_every_target_of_make_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    scripts = "\n".join(block.text for block in blocks(PAGES[name]) if block.language == "sh")
    named = re.findall(r"^make ([a-z-]+)", scripts, re.MULTILINE) + re.findall(r"`make ([a-z-]+)`", PAGES[name])
    assert set(named) <= targets


def test_the_example_of_a_method_works_as_it_stands(tmp_path: Path) -> None:
    name = "docs/pages/extending.md"
    (code,) = [block.text for block in blocks(ADDING) if block.language == "python" and "@register" in block.text]
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(code, name, "exec", dont_inherit=True), names)  # noqa: S102 - the project's own page
    mine: type = names["Mine"]  # type: ignore[assignment]
    task = made_up_task(tmp_path)
    recommender = mine(mine.Params(power=2.0))
    recommender.fit(task)
    counts = task.target.item_counts()[task.validation.candidates]
    np.testing.assert_allclose(recommender.score(task.validation), counts**2.0)


def test_the_example_files_can_be_read(tmp_path: Path) -> None:
    shown = {block.title: block.text for block in blocks(ADDING) if block.title}
    for title in ("datasets/office.yaml", "my-table.yaml"):
        path = tmp_path / Path(title).name
        path.write_text(shown[title], encoding="utf-8")
        assert (read_card if title.startswith("datasets/") else read_experiment)(path).name == path.stem
    points = tomllib.loads(shown["pyproject.toml"])["project"]["entry-points"]
    assert points == {"bench.plugins": {"mine": "my_package.mine:Mine"}}
