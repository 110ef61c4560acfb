"""The files for containers can be parsed, are pinned, do not run as root, and name only what exists.

No image is built: there is no network in the tests.
"""

from __future__ import annotations

import json
import re
import shlex
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import pytest

import bench
from bench.files.extras import RECBOLE_COMMAND
from tests.support.documented_commands import Page, commands_in, complaint

ROOT = Path(bench.__file__).parent.parent
DOCKERFILES = ("Dockerfile", ".devcontainer/Dockerfile")
KNOWN = {"FROM", "ENV", "ARG", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments, without comments."""
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in pairs]


def values(name: str, word: str) -> list[str]:
    return [rest for found, rest in instructions(name) if found == word]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_dockerfile_consists_of_known_instructions_and_starts_from_a_pinned_image(name: str) -> None:
    found = instructions(name)
    assert {word for word, _ in found} <= KNOWN
    assert found[0][0] == "FROM"
    assert re.fullmatch(r"python:3\.\d+\.\d+(-slim)?-\w+", found[0][1])
    for command in values(name, "RUN"):
        assert shlex.split(command)  # raises for a quote that is not closed


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_container_does_not_run_as_root(name: str) -> None:
    (user,) = values(name, "USER")
    assert user == "bench"
    assert any(
        "useradd --create-home --uid 1000" in run and run.split("&&")[0].split()[-1] == user
        for run in values(name, "RUN")
    )


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [source for rest in values("Dockerfile", "COPY") for source in rest.split()[:-1]]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert sorted(copied) == sorted(kept)


def test_what_is_installed_is_an_extra_and_pinned() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    runs = " && ".join(values("Dockerfile", "RUN"))
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", runs)
    assert set(extras.split(",")) <= set(setup["options.extras_require"])
    assert RECBOLE_COMMAND in runs
    pinned = dict(re.findall(r"\b([\w-]+)==([\w.]+)", runs))
    assert pinned == {name: pins()[name] for name in ("torch", "recbole")}


def test_the_command_of_the_image_and_that_in_its_comment_exist() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (entry,) = values("Dockerfile", "ENTRYPOINT")
    assert f"{json.loads(entry)[0]} = " in setup["options.entry_points"]["console_scripts"]
    assert json.loads(values("Dockerfile", "CMD")[0]) == ["--help"]
    (line,) = re.findall(r"docker run .* (bench run .*)", (ROOT / "Dockerfile").read_text())
    (words,) = commands_in(line)
    page = Page.of(f"```sh\nbench {' '.join(words)}\n```")
    assert [complaint(shown, page) for shown in page.shown] == [""]


def test_the_directories_of_the_image_are_those_that_bench_reads() -> None:
    assignments = dict(word.split("=") for word in values("Dockerfile", "ENV")[-1].split())
    assert set(assignments) == {"BENCH_CACHE", "BENCH_RESULTS", "BENCH_DATA"}
    made = " ".join(values("Dockerfile", "RUN"))
    assert [folder for folder in assignments.values() if folder not in made] == []


def test_the_development_container_uses_its_dockerfile_and_a_target_of_make() -> None:
    facts = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert (ROOT / ".devcontainer" / facts["build"]["dockerfile"]).is_file()
    assert [facts["remoteUser"]] == values(".devcontainer/Dockerfile", "USER")
    program, target, python = facts["postCreateCommand"].split()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert program == "make"
    assert re.search(r"^\$\(INSTALLED\):", makefile, re.MULTILINE)
    assert target == ".venv/.installed"
    assert f"INSTALLED := $(VENV)/{Path(target).name}" in makefile
    version = values(".devcontainer/Dockerfile", "FROM")[0]
    assert version.startswith(f"python:{python.removeprefix('PYTHON=python')}.")


def test_only_what_is_needed_is_sent_to_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    assert any(
        fnmatch("bench/__pycache__", line.replace("**/", "*/")) for line in lines if not line.startswith(("!", "#"))
    )
