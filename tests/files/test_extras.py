from __future__ import annotations

import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import bench
from bench.errors import BenchError
from bench.files.extras import (
    EXTRAS,
    RECBOLE_COMMAND,
    SMOLLM2_COMMAND,
    install_command,
    is_installed,
    missing_module,
    package_folder,
    require,
)

ROOT = Path(bench.__file__).parent.parent
DISTRIBUTIONS = {name: set(found) for name, found in packages_distributions().items()}


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def requirements(extra: str) -> set[str]:
    """Return the distributions that an extra of the package installs by name."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options.extras_require"][extra].split("\n")
    return {line.partition(">=")[0] for line in lines if line and not line.startswith("#")}


def test_what_is_installed_is_not_complained_of() -> None:
    require("Anything", "lm", "recbole", "plots")
    assert install_command("lm", "recbole") == ""
    assert missing_module("plots") is None


def test_the_error_names_who_needs_it_the_extra_the_module_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "matplotlib")
    with pytest.raises(BenchError) as caught:
        require("A figure", "lm", "plots", otherwise="Leave it out.")
    assert str(caught.value) == (
        "A figure needs the extra 'plots' (matplotlib cannot be found): pip install 'llmrec-bench[plots]'. "
        "Leave it out."
    )


def test_several_extras_take_one_command_and_recbole_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "torch", "faiss")
    with pytest.raises(BenchError) as caught:
        require("Method 'vqrec'", "lm", "recbole", "vqrec")
    assert str(caught.value) == (
        "Method 'vqrec' needs the extras 'lm' and 'recbole' and 'vqrec' (torch and faiss cannot be found): "
        f"pip install 'llmrec-bench[lm,recbole,vqrec]' && {RECBOLE_COMMAND}"
    )


def test_recbole_counts_as_missing_without_what_its_models_import(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "texttable")
    assert missing_module("recbole") == "texttable"
    assert missing_module("lm") is None


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_an_extra_is_known_by_is_what_it_installs(extra: str) -> None:
    named = requirements(extra)
    for module in EXTRAS[extra].modules:
        if module in DISTRIBUTIONS and module.replace("_", "-") not in EXTRAS[extra].then:
            assert DISTRIBUTIONS[module] & named, module


@pytest.mark.parametrize("command", [RECBOLE_COMMAND, SMOLLM2_COMMAND])
def test_a_version_installed_by_a_command_is_the_one_that_the_tests_run_with(command: str) -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert command.rsplit(maxsplit=1)[-1] in pinned


def test_a_package_is_found_without_running_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "a_package_that_fails"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert is_installed(package.name)
    assert package_folder(package.name) == package
    assert package_folder("no_such_package") is None
