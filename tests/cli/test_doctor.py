from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

import bench as package
from bench.errors import BenchError
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
CHECKS = "bench.cli.doctor.CHECKS"
ROOT = Path(package.__file__).parent.parent


def found_missing() -> str:
    raise BenchError("it is missing: pip install it")


def not_importable() -> str:
    raise ImportError("no module named 'it'")


def test_this_installation_is_sound(bench: Bench) -> None:
    outcome = bench("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(outcome.stdout)}
    assert outcome.code == 0
    assert all(check["ok"] for check in checks.values())
    assert checks["embedded dataset"]["finding"] == "ml-100k: 943 users, 1682 items, 100000 interactions"
    assert checks["Hugging Face datasets"]["finding"] == "'import datasets' imports the Hugging Face package"
    assert "numpy" in checks["packages"]["finding"]
    assert checks["extras"]["finding"].startswith("lm, recbole, plots")
    assert set(checks) >= {"minilm", "cards", "plugins", "device", "GPU", "threads", "data", "cache", "disk", "hub"}
    assert "your own: shop" in checks["data"]["finding"]
    assert "openblas" in checks["threads"]["finding"]


@pytest.mark.parametrize("check", [found_missing, not_importable])
def test_a_fault_is_shown_with_the_rest_and_the_call_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, check: Callable[[], str]
) -> None:
    monkeypatch.setattr(CHECKS, {"first": check, "second": lambda: "fine"})
    monkeypatch.setattr("bench.cli.doctor.MACHINE_CHECKS", {})
    outcome = bench("doctor")
    assert outcome.code == 1
    first, second = outcome.stdout.splitlines()
    assert first.startswith("FAILED first: ")
    assert second == "ok     second: fine"
    assert bench("doctor", "--json").code == 1
    assert [row["ok"] for row in json.loads(bench("doctor", "--json").stdout)] == [False, True]


def test_a_bare_folder_in_the_place_of_datasets_is_a_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "datasets").mkdir()
    bare = PathFinder.find_spec("datasets", [str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: bare)
    outcome = bench("doctor", "--json")
    found = {check["name"]: check for check in json.loads(outcome.stdout)}["Hugging Face datasets"]
    assert outcome.code == 1
    assert not found["ok"]
    assert found["finding"].endswith("pip install datasets")


def test_what_is_an_extra_may_be_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("recbole", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    outcome = bench("doctor", "--json")
    checks = {check["name"]: check["finding"] for check in json.loads(outcome.stdout)}
    assert outcome.code == 0
    assert checks["embedded dataset"] == (
        "ml-100k is not here (pip install --no-deps recbole==1.2.1); it is downloaded when needed"
    )
    assert "pip install 'llmrec-bench[recbole,plots" in checks["extras"]


def test_from_the_repository_root_datasets_is_hugging_faces_package() -> None:
    code = "import datasets; print(datasets.__file__, hasattr(datasets, 'Dataset'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    path, has_dataset = done.stdout.rsplit(maxsplit=1)
    assert has_dataset == "True"
    assert not Path(path).is_relative_to(ROOT / "datasets")
    assert (ROOT / "datasets").is_dir()
