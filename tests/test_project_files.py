"""Files about the project agree with the project."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

import bench

ROOT = Path(bench.__file__).parent.parent
MOST_LINES_OF_README = 150
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")}


def read_yaml(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_readme_fits_on_a_page() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= MOST_LINES_OF_README


@pytest.mark.parametrize("name", TEXTS)
def test_every_relative_link_leads_to_a_file(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", TEXTS[name])
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_version_is_cited_and_heads_the_changelog() -> None:
    cited = read_yaml("CITATION.cff")
    assert cited["version"] == bench.__version__
    assert f"version = {{{bench.__version__}}}" in TEXTS["README.md"]
    versions = re.findall(r"^## \[(.+?)\](?: - (.+))?$", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert versions[:2] == [("Unreleased", ""), (bench.__version__, cited["date-released"])]
    assert cited["title"].partition(": ")[2] in TEXTS["README.md"]


def test_the_workflow_starts_with_the_oldest_python_that_is_allowed() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (job,) = read_yaml(".github/workflows/tests.yaml")["jobs"].values()
    pythons = job["strategy"]["matrix"]["python"]
    assert f">={pythons[0]}" == setup["options"]["python_requires"]
    assert pythons == ["3.11", "3.12", "3.13"]
    assert any(step.get("run") == "bash .ci/run" for step in job["steps"])
    assert (ROOT / ".ci" / "run").is_file()


def test_ruff_before_a_commit_is_the_one_that_is_pinned() -> None:
    (rev,) = [repo["rev"] for repo in read_yaml(".pre-commit-config.yaml")["repos"] if "ruff" in repo["repo"]]
    assert f"ruff=={rev.removeprefix('v')}" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", ["bug.yaml", "method.yaml"])
def test_a_form_for_issues_has_labeled_fields_with_distinct_names(name: str) -> None:
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}")
    assert all(form[key] for key in ("name", "description"))
    assert len({field["id"] for field in form["body"]}) == len(form["body"])
    assert all(field["attributes"]["label"] for field in form["body"])
