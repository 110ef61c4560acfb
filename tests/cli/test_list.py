from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bench.registry
from bench.data.card import list_cards
from bench.experiments.reader import experiment_names
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


class BrokenPoint:
    name = "magic"

    def load(self) -> None:
        raise ImportError("no module named 'magic_wand'")


@pytest.fixture
def _broken_plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bench.registry, "entry_points", lambda group: [BrokenPoint()])
    bench.registry.registry.cache_clear()
    yield
    bench.registry.registry.cache_clear()


@pytest.mark.parametrize("kind", ["methods", "datasets", "experiments"])
def test_json_is_a_list_of_objects_with_name_and_family(bench: Bench, kind: str) -> None:
    outcome = bench("list", kind, "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    rows = json.loads(outcome.stdout)
    assert rows
    assert all(row["name"] and row["family"] for row in rows)
    assert len({row["name"] for row in rows}) == len(rows)


@pytest.mark.parametrize("kind", ["methods", "datasets", "experiments"])
def test_the_text_has_the_names_of_the_json(bench: Bench, kind: str) -> None:
    rows = json.loads(bench("list", kind, "--json").stdout)
    lines = bench("list", kind).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [row["name"] for row in rows]


def test_methods_come_with_family_and_settings(bench: Bench) -> None:
    rows = {row["name"]: row for row in json.loads(bench("list", "methods", "--json").stdout)}
    assert rows["random"]["family"] == "control"
    assert rows["sasrec"] == {
        "name": "sasrec",
        "family": "sequential",
        "settings": "warm cold user-split",
        "paper": "Kang & McAuley 2018, arXiv 1808.09781",
        "install": "",
    }
    assert "recbole:<Class>" in rows
    assert bench("list", "methods").stdout.splitlines()[0].split() == ["name", "family", "settings", "paper"]


def test_methods_that_are_not_installed_come_with_the_command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "recbole", None)
    command = "pip install 'llmrec-bench[recbole]' && pip install --no-deps recbole==1.2.1"
    rows = {row["name"]: row["install"] for row in json.loads(bench("list", "methods", "--json").stdout)}
    assert rows["sasrec"] == rows["recbole:<Class>"] == rows["unisrec"] == command
    assert rows["popularity"] == rows["reccocktail"] == ""
    lines = {line.split()[0]: line for line in bench("list", "methods").stdout.splitlines()}
    assert lines["name"].endswith("install")
    assert lines["bpr"].endswith(command)


def test_every_card_and_every_experiment_is_listed(bench: Bench) -> None:
    cards = [row["name"] for row in json.loads(bench("list", "datasets", "--json").stdout)]
    assert cards == [*(card.name for card in list_cards()), "shop"]
    experiments = [row["name"] for row in json.loads(bench("list", "experiments", "--json").stdout)]
    assert experiments == experiment_names()


@pytest.mark.usefixtures("_broken_plugin")
def test_a_plugin_that_cannot_be_loaded_is_listed_with_the_reason(bench: Bench) -> None:
    rows = json.loads(bench("list", "methods", "--json").stdout)
    assert rows[-1] == {
        "name": "magic",
        "family": "cannot be loaded",
        "settings": "",
        "paper": "ImportError: no module named 'magic_wand'",
        "install": "",
    }
    assert "random" in {row["name"] for row in rows}
    assert "no module named 'magic_wand'" in bench("list", "methods").stdout


@pytest.mark.usefixtures("_broken_plugin")
def test_a_plugin_that_cannot_be_loaded_disturbs_no_other_command(bench: Bench) -> None:
    assert bench("run", "--method", "constant", "--dataset", "shop", "--device", "cpu").code == 0
    expected = "Method 'magic' cannot be loaded: ImportError: no module named 'magic_wand'. See 'bench list methods'."
    assert bench("run", "--method", "magic", "--dataset", "shop").mistake == expected
    assert bench("describe", "magic").mistake == expected


def test_an_experiment_says_which_table_of_a_paper_it_is(bench: Bench) -> None:
    rows = {row["name"]: row for row in json.loads(bench("list", "experiments", "--json").stdout)}
    assert rows["reccocktail-table3"]["reproduces"] == "RecCocktail table 3"
    assert rows["weaverec-figure8"]["reproduces"] == "WeaveRec figure 8"
    assert rows["demo"]["reproduces"] == ""
    assert "RecCocktail table 3" in bench("list", "experiments").stdout


def test_own_data_is_listed_with_its_description(bench: Bench, user_data: Path) -> None:
    folder = user_data / "stall"
    folder.mkdir(parents=True)
    (folder / "card.yaml").write_text(
        "name: stall\ndescription: Sales of a stall.\nformat: csv\nlicence: Ours.\nk_core: 3\n"
    )
    (folder / "interactions.csv").write_text("user_id,item_id\na,b\n")
    rows = json.loads(bench("list", "datasets", "--json").stdout)
    assert rows[-1] == {"name": "stall", "family": "own data", "description": "Sales of a stall."}
    facts = json.loads(bench("describe", "stall", "--json").stdout)
    assert (facts["kind"], facts["k_core"], facts["folder"]) == ("dataset", 3, str(folder))
    assert "Did you mean stall?" in bench("describe", "stal").mistake
