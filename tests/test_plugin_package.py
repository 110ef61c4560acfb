"""A package of somebody else, built as a wheel and installed, is used by name; what of it is broken breaks nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from tests.support.shop_toy import write_shop

ROOT = Path(bench.__file__).parent.parent
PACKAGE = Path(__file__).parent / "plugin_package"
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
Bench = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package's wheel is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PACKAGE, folder / "sources")  # building leaves folders behind
    without_network = ("--no-deps", "--no-index")
    words = ["wheel", "--no-build-isolation", *without_network, "--wheel-dir", str(folder), str(folder / "sources")]
    subprocess.run([*PIP, *words], check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("outside_recommenders-1.2.3-*.whl")
    words = ["install", *without_network, "--target", str(folder / "site"), str(wheel)]
    subprocess.run([*PIP, *words], check=True, capture_output=True, text=True)
    return folder / "site"


@pytest.fixture(scope="module")
def bench_with_plugins(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Call ``bench`` in a process that has the package installed, as a user with a small shop does."""
    home = tmp_path_factory.mktemp("home")
    write_shop(home / "data")
    folders = {"BENCH_DATA": home / "data", "BENCH_CACHE": home / "cache", "BENCH_RESULTS": home / "results"}
    environment = {**os.environ, **{name: str(path) for name, path in folders.items()}}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, site)))

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "bench.cli.main", *words]
        return subprocess.run(line, cwd=home, env=environment, capture_output=True, text=True, check=False)

    return call


def test_it_is_listed_and_what_cannot_be_loaded_is_listed_with_the_reason(bench_with_plugins: Bench) -> None:
    done = bench_with_plugins("list", "methods", "--json")
    assert done.returncode == 0, done.stderr
    rows = {(row["name"], row["family"]): row["paper"] for row in json.loads(done.stdout)}
    assert rows["recent-items", "control"] == "Somebody Else 2026"
    broken = {name: reason for (name, family), reason in rows.items() if family == "cannot be loaded"}
    assert broken == {
        "needs-magic": "ModuleNotFoundError: No module named 'magic_wand_that_nobody_has'",
        "gives-up": "SystemExit: no licence",
        "popularity": "the name is taken by bench.baselines.controls:Popularity",
    }
    assert ("sasrec", "sequential") in rows


def test_it_is_run_by_its_name_with_its_parameters(bench_with_plugins: Bench) -> None:
    words = ("run", "--method", "recent-items", "--dataset", "shop", "-p", "decay=0.9", "--device", "cpu", "--json")
    done = bench_with_plugins(*words)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["spec"]["method"], record["overrides"]) == ("recent-items", {"decay": 0.9})
    assert record["n_queries"] == 80
    assert record["fit"]["cold_rule"] == "never touched: zero"
    table = bench_with_plugins("table", "--dataset", "shop", "--setting", "warm")
    assert "recent-items" in table.stdout


def test_it_is_described_and_checked_like_the_houses_own(bench_with_plugins: Bench) -> None:
    described = bench_with_plugins("describe", "recent-items")
    assert "decay  0.5  Weight of each step back." in described.stdout
    checked = bench_with_plugins("check", "recent-items", "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["ok"]


def test_what_is_broken_says_so_when_it_is_asked_for_and_disturbs_nothing_else(bench_with_plugins: Bench) -> None:
    broken = bench_with_plugins("run", "--method", "needs-magic", "--dataset", "shop")
    assert broken.returncode == 2
    assert broken.stdout == ""
    assert broken.stderr.endswith(
        "Error: Method 'needs-magic' cannot be loaded: ModuleNotFoundError: No module named "
        "'magic_wand_that_nobody_has'. See 'bench list methods'.\n"
    )
    fine = bench_with_plugins("run", "--method", "popularity", "--dataset", "shop", "--device", "cpu", "--json")
    assert fine.returncode == 0, fine.stderr
    assert json.loads(fine.stdout)["fit"]["cold_rule"] == "zero (no interactions)"
