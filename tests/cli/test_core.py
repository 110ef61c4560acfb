"""What runs where only the core is installed."""

from __future__ import annotations

import json
import shutil

import pytest

from bench.files.extras import EXTRAS
from bench.files.folders import Folders
from tests.support.command_line import Outcome
from tests.support.hidden_packages import call_without

OPTIONAL = sorted({module for extra in EXTRAS.values() for module in extra.modules})
POPULARITY, RANDOM = (("run", "--method", name, "--dataset", "shop") for name in ("popularity", "random"))
CALLS = {
    "help": ("--help",),
    "doctor": ("doctor", "--json"),
    "methods": ("list", "methods", "--json"),
    "describe": ("describe", "sasrec", "--json"),
    "import": ("data", "import", "mine", "--interactions", "{data}/shop/interactions.csv"),
    "stats": ("data", "stats", "mine"),
    "popularity": POPULARITY,
    "random": RANDOM,
    "full ranking": (*POPULARITY, "--full-ranking"),
    "compare": ("compare", "popularity@shop@warm", "random@shop@warm"),
    "table": ("table", "--dataset", "shop", "--setting", "warm"),
    "report": ("report", "--output", "{data}/report.html"),
    "check": ("check", "popularity"),
    "recbole": ("run", "--method", "sasrec", "--dataset", "shop"),
    "language model": ("run", "--method", "reccocktail", "--dataset", "shop", "--sources", "mine"),
}


@pytest.fixture(scope="module")
def outcomes(shops: Folders, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What each call comes to, in this order, in a process without any optional package."""
    root = tmp_path_factory.mktemp("core")
    shutil.copytree(str(shops.data_dir), root / "data")
    calls = [[word.format(data=root / "data") for word in words] for words in CALLS.values()]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("data", "user_data", "cache", "results"):
            patch.setenv(f"BENCH_{name.upper()}", str(root / name))
        return dict(zip(CALLS, call_without(OPTIONAL, calls), strict=True))


@pytest.mark.parametrize("call", [name for name in CALLS if name not in ("recbole", "language model")])
def test_what_needs_no_extra_runs_without_any(outcomes: dict[str, Outcome], call: str) -> None:
    assert outcomes[call].code == 0, outcomes[call]


def test_the_rest_is_named_with_the_command_that_installs_it(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["recbole"].mistake == (
        "Method 'sasrec' needs the extra 'recbole' (torch cannot be found): pip install 'llmrec-bench[recbole]' && "
        "pip install --no-deps recbole==1.2.1"
    )
    assert outcomes["language model"].mistake == (
        "Method 'reccocktail' needs the extra 'lm' (torch cannot be found): pip install 'llmrec-bench[lm]'"
    )
    rows = {row["name"]: row for row in json.loads(outcomes["methods"].stdout)}
    assert rows["popularity"]["install"] == ""
    assert rows["reccocktail"]["install"] == "pip install 'llmrec-bench[lm]'"
    assert json.loads(outcomes["describe"].stdout)["install"].endswith("pip install --no-deps recbole==1.2.1")
