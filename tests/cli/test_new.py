from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import bench as package
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
ROOT = Path(package.__file__).parent.parent
RULES_OF_THE_HOUSE = ("--config", str(ROOT / "pyproject.toml"), "--config", "lint.isort.known-first-party=['bench']")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A project of one's own, started and installed as the command's last lines say."""
    home = tmp_path_factory.mktemp("home")
    folders = {"BENCH_CACHE": home / "cache", "BENCH_RESULTS": home / "results"}
    environment = {**os.environ, **{name: str(path) for name, path in folders.items()}}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(home / "site")]), "MYPYPATH": str(ROOT)}
    environment.pop("BENCH_DATA", None)

    def python(*words: str | Path, cwd: Path = home) -> str:
        line = [sys.executable, "-m", *map(str, words)]
        done = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    told = python("bench.cli.main", "new", "baseline", "my-method", "--directory", "own")
    install = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", home / "site")
    shutil.copytree(home / "own", home / "sources")  # building leaves folders behind
    python("pip", "install", *install, home / "sources")
    return SimpleNamespace(told=told, folder=home / "own", python=python)


def test_what_was_written_and_what_comes_next_is_told(project: SimpleNamespace) -> None:
    assert project.told.splitlines() == [
        "wrote own/my_method.py",
        "wrote own/tests/test_my_method.py",
        "wrote own/pyproject.toml",
        "next:",
        "  pip install --no-build-isolation --editable own",
        "  bench check my-method",
        "  pytest own/tests/test_my_method.py",
        "  bench run --method my-method --dataset ml-100k-drama",
    ]


def test_the_pair_passes_the_linter_and_the_formatter_by_default_and_by_the_rules_of_the_house(
    project: SimpleNamespace,
) -> None:
    pair = ("my_method.py", "tests/test_my_method.py")
    for config in ([], RULES_OF_THE_HOUSE):
        told = project.python("ruff", "check", *config, "--no-cache", *pair, cwd=project.folder)
        assert "All checks passed" in told
    told = project.python("ruff", "format", "--check", *RULES_OF_THE_HOUSE, "--no-cache", *pair, cwd=project.folder)
    assert "2 files already formatted" in told


@pytest.mark.slow
def test_the_pair_passes_the_strict_type_checker(project: SimpleNamespace) -> None:
    files = (project.folder / "my_method.py", project.folder / "tests/test_my_method.py")
    told = project.python("mypy", "--strict", "--follow-imports=silent", *files, cwd=ROOT)
    assert "no issues found in 2 source files" in told


def test_the_pair_passes_its_own_tests(project: SimpleNamespace) -> None:
    assert "2 passed" in project.python(
        "pytest", "-p", "no:cacheprovider", project.folder / "tests", cwd=project.folder
    )


def test_it_runs_on_the_embedded_data(project: SimpleNamespace) -> None:
    words = ("--method", "my-method", "--dataset", "ml-100k-drama", "--device", "cpu", "--json")
    record = json.loads(project.python("bench.cli.main", "run", *words))
    assert record["n_queries"] > 500
    assert record["metrics"]["ndcg@1"]["low"] > 2 / 30


@pytest.mark.slow
def test_one_that_trains_passes_its_own_tests_and_every_check(project: SimpleNamespace, tmp_path: Path) -> None:
    own, pair = tmp_path / "own", ("my_trained.py", "tests/test_my_trained.py")
    project.python("bench.cli.main", "new", "baseline", "my-trained", "--trained", "--directory", own)
    shutil.copytree(own, tmp_path / "sources")
    site = ("--target", project.folder.parent / "site")
    project.python(
        "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", *site, tmp_path / "sources"
    )
    for command in (("ruff", "check"), ("ruff", "format", "--check")):
        project.python(*command, *RULES_OF_THE_HOUSE, "--no-cache", *pair, cwd=own)
    project.python("mypy", "--strict", "--follow-imports=silent", *(own / path for path in pair), cwd=ROOT)
    assert "3 passed" in project.python("pytest", "-p", "no:cacheprovider", own / "tests", cwd=own)
    assert "(converged)" in project.python("bench.cli.main", "check", "my-trained")


def test_in_a_checkout_the_pair_is_found_without_installing(tmp_path: Path) -> None:
    for folder in ("baselines", "tests/baselines"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bench").mkdir()
    for path in (*(ROOT / "bench").iterdir(), tmp_path / "baselines"):
        (tmp_path / "bench" / path.name).symlink_to(path)
    shutil.copy(ROOT / "baselines/__init__.py", tmp_path / "baselines")
    shutil.copy(ROOT / "baselines/controls.py", tmp_path / "baselines")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def python(*words: str) -> str:
        line = [sys.executable, "-m", *words]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    told = python("bench.cli.main", "new", "baseline", "my-method").splitlines()
    assert told[:3] == ["wrote baselines/my_method.py", "wrote tests/baselines/test_my_method.py", "next:"]
    assert "pip" not in "".join(told)
    assert "2 passed" in python("pytest", "-p", "no:cacheprovider", "tests/baselines/test_my_method.py")


def test_a_second_baseline_is_told_what_to_add_to_the_project(bench: Bench, tmp_path: Path) -> None:
    assert bench("new", "baseline", "first-one", "--directory", tmp_path).code == 0
    lines = bench("new", "baseline", "second-one", "--directory", tmp_path).stdout.splitlines()
    assert lines[2] == f"{tmp_path}/pyproject.toml already exists; add to it:"
    assert 'second-one = "second_one:SecondOne"' in lines[3]
    assert '"second_one"' in lines[4]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["My_Method"], "'My_Method' is not a valid method name: use lower-case words and digits joined by hyphens"),
        (["bpr"], "Method 'bpr' already exists: choose another name. See 'bench describe bpr'"),
        ([], "Missing argument 'NAME'. See 'bench new baseline --help'."),
    ],
)
def test_a_mistake_is_answered_with_one_line(bench: Bench, tmp_path: Path, words: list[str], message: str) -> None:
    assert message in bench("new", "baseline", *words, "--directory", tmp_path / "own").mistake
    assert not (tmp_path / "own").exists()


def test_what_is_there_is_not_overwritten(bench: Bench, tmp_path: Path) -> None:
    words = ("new", "baseline", "my-method", "--directory", tmp_path)
    assert bench(*words).code == 0
    (tmp_path / "my_method.py").write_text("changed")
    assert f"{tmp_path}/my_method.py already exists" in bench(*words).mistake
    assert (tmp_path / "my_method.py").read_text() == "changed"


def test_a_new_experiment_makes_a_table_of_own_data_as_it_is(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = bench("new", "experiment", "my-table", "--datasets", "shop", "--methods", "random,popularity")
    assert told.stdout.splitlines() == [
        "wrote my-table.yaml",
        "next:",
        "  edit my-table.yaml",
        "  bench plan my-table.yaml",
        "  bench reproduce my-table.yaml",
        "  bench table my-table.yaml",
    ]
    made = bench("reproduce", "my-table.yaml", "--device", "cpu")
    assert made.code == 0, made.stderr
    assert {"Random", "Popularity"} <= {line.split()[0] for line in made.stdout.splitlines() if line}
    assert "\\begin{table" in bench("table", "my-table.yaml", "--format", "latex").stdout
    assert "my-table.yaml already exists" in bench("new", "experiment", "my-table").mistake


def test_a_new_dataset_is_a_dataset_as_it_is(bench: Bench, tmp_path: Path) -> None:
    told = bench("new", "dataset", "dark-movies", "--directory", tmp_path).stdout.splitlines()
    assert told[:2] == [f"wrote {tmp_path}/dark-movies/card.yaml", "next:"]
    assert told[-1] == f"  bench run --method popularity --dataset dark-movies --data-dir {tmp_path}"
    assert bench("data", "prepare", "dark-movies", "--data-dir", tmp_path).stdout.startswith("dark-movies is ready: ")
    assert "Dataset 'beauty' already exists" in bench("new", "dataset", "beauty", "--directory", tmp_path).mistake
