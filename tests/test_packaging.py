from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bench

ROOT = Path(bench.__file__).parent.parent
SHIPPED = {
    "datasets": "bench/shipped/cards",
    "results/experiments": "bench/shipped/experiments",
    "results/published": "bench/shipped/published",
}
ROOMS = {"bench": "", "baselines": "baselines/", "methods": "methods/"}
"""Folder of the repository -> its place in the package."""
BUILT_FROM = (*ROOMS, *SHIPPED)
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
READ_EVERYTHING = """
import json
import bench
from bench.data.card import list_cards
from bench.experiments.reader import experiment_names, load_experiment
from bench.papers.printed import find_cell, published_papers
from bench.registry import registry

print(json.dumps({
    "package": bench.__file__,
    "cards": [card.name for card in list_cards()],
    "experiments": [load_experiment(name).name for name in experiment_names()],
    "papers": published_papers(),
    "value": find_cell("reccocktail", "table1", ["bpr"], "beauty").figures["ndcg@1"],
    "methods": sorted(registry().entries),
    "broken": dict(registry().broken),
}))
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is built from: building leaves folders behind that must not pile up in the repository."""
    folder = tmp_path_factory.mktemp("sources")
    for name in BUILT_FROM:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    words = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(sources)]
    subprocess.run([*pip, *words], check=True, capture_output=True, text=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def names_in(folder: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(pattern)}


@pytest.mark.parametrize(("folder", "place"), SHIPPED.items())
def test_the_wheel_holds_every_card_experiment_and_published_table(wheel: Path, folder: str, place: str) -> None:
    expected = {path.name: path.read_bytes() for path in (ROOT / folder).glob("*.yaml")}
    assert expected
    assert {path.name: path.read_bytes() for path in (wheel / place).iterdir()} == expected


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    own = {f"{place}{name}" for folder, place in ROOMS.items() for name in names_in(ROOT / folder, "*.py")}
    assert names_in(wheel / "bench", "*.py") == own
    assert names_in(wheel / "bench", "*.txt") == names_in(ROOT / "bench", "*.txt") != set()
    assert (wheel / "bench/py.typed").exists()
    top = {path.name for path in wheel.iterdir()}
    assert top == {"bench", f"llmrec_bench-{bench.__version__}.dist-info"}


def test_the_wheel_holds_what_the_page_is_made_of(wheel: Path) -> None:
    for folder, suffixes in (("assets", {".css", ".js"}), ("templates", {".html"})):
        place = f"bench/report/page/{folder}"
        expected = {path.name: path.read_bytes() for path in (ROOT / place).iterdir()}
        assert {Path(name).suffix for name in expected} == suffixes
        assert {path.name: path.read_bytes() for path in (wheel / place).iterdir()} == expected


def test_the_metadata_name_the_command_and_the_plugin_contract(wheel: Path) -> None:
    facts = wheel / f"llmrec_bench-{bench.__version__}.dist-info"
    assert "bench = bench.cli.main:main" in (facts / "entry_points.txt").read_text()
    assert f"Version: {bench.__version__}\n" in (facts / "METADATA").read_text()


def test_an_installed_copy_reads_its_own_files_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READ_EVERYTHING],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(done.stdout)
    assert Path(facts["package"]).is_relative_to(wheel)
    for key, folder in (("cards", "datasets"), ("experiments", "results/experiments"), ("papers", "results/published")):
        assert sorted(facts[key]) == sorted(path.stem for path in (ROOT / folder).glob("*.yaml"))
    assert "demo" in facts["experiments"]
    assert facts["value"] == pytest.approx(0.163)
    assert {"random", "bpr", "reccocktail"} <= set(facts["methods"])
    assert facts["broken"] == {}


def test_an_editable_installation_copies_no_files(sources: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['setup.py', '--quiet', 'build_py', '--build-lib', sys.argv[1]]\n"
        "import runpy, setuptools.command.build_py as module\n"
        "class Editable(module.build_py):\n    editable_mode = True\n"
        "    def initialize_options(self):\n        super().initialize_options(); self.editable_mode = True\n"
        "module.build_py = Editable\n"
        "runpy.run_path('setup.py', run_name='__main__')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lib")], cwd=sources, check=True, capture_output=True)
    assert not names_in(tmp_path, "*.yaml")
