from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.templates import fill
from bench.templates.fill import Names, Place, baseline_names, baseline_place, write_baseline


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "module", "class_name"),
    [("mine", "mine", "Mine"), ("my-method", "my_method", "MyMethod"), ("knn2-plus", "knn2_plus", "Knn2Plus")],
)
def test_a_name_gives_a_module_and_a_class(name: str, module: str, class_name: str) -> None:
    names = baseline_names(name)
    assert (names.module, names.class_name) == (module, class_name)
    assert names.entry_point == f'{name} = "{module}:{class_name}"'


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "MyMethod",
            "'MyMethod' is not a valid method name: use lower-case words and digits joined by hyphens, such as 'my-m",
        ),
        ("my_method", "such as 'my-method'"),
        ("my method!", "such as 'my-method'"),
        ("a/../b", "such as 'a-b'"),
        ("2fast", "such as 'my-method'"),
        ("-p", "such as 'p'"),
        ("", "such as 'my-method'"),
        ("recbole:Mine", "such as 'recbole-mine'"),
        ("sasrec", "Method 'sasrec' already exists: choose another name. See 'bench describe sasrec'."),
        (
            "class",
            "'class' conflicts with a Python module or a name in the template: choose another name, such as "
            "'class-method'.",
        ),
        ("json", "such as 'json-method'"),
        ("task", "such as 'task-method'"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_with_one_that_can(name: str, message: str) -> None:
    with pytest.raises(BenchError) as refused:
        baseline_names(name)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", ["class-method", "json-method", "task-method", "my-method", "recbole-mine"])
def test_a_name_that_was_proposed_can_be_taken(name: str) -> None:
    assert baseline_names(name).name == name


def test_the_checkout_is_where_the_baselines_are_imported_from() -> None:
    place = baseline_place(None)
    assert place == Place(Path(fill.__file__).parents[2], is_checkout=True)
    assert baseline_place(place.root) == place


def test_another_directory_is_a_project_of_ones_own(tmp_path: Path) -> None:
    assert baseline_place(tmp_path) == Place(tmp_path, is_checkout=False)


def test_an_installation_without_a_checkout_asks_for_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "ROOM", "pytest")
    with pytest.raises(BenchError, match="is not running from a source checkout; pass --directory FOLDER"):
        baseline_place(None)


def test_in_a_checkout_there_is_one_file_and_its_test(tmp_path: Path) -> None:
    paths = write_baseline(Names("my-method"), Place(tmp_path, is_checkout=True))
    assert paths == [tmp_path / "baselines/my_method.py", tmp_path / "tests/baselines/test_my_method.py"]
    assert files_under(tmp_path) == {"baselines/my_method.py", "tests/baselines/test_my_method.py"}
    assert "class MyMethod(Recommender)" in paths[0].read_text()


def test_a_project_of_ones_own_names_the_entry_point(tmp_path: Path) -> None:
    write_baseline(Names("my-method"), Place(tmp_path / "new", is_checkout=False))
    assert files_under(tmp_path / "new") == {"my_method.py", "tests/test_my_method.py", "pyproject.toml"}
    project = (tmp_path / "new/pyproject.toml").read_text()
    assert '[project.entry-points."bench.plugins"]\nmy-method = "my_method:MyMethod"\n' in project


def test_a_project_that_is_there_keeps_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("mine")
    paths = write_baseline(Names("my-method"), Place(tmp_path, is_checkout=False))
    assert tmp_path / "pyproject.toml" not in paths
    assert (tmp_path / "pyproject.toml").read_text() == "mine"


@pytest.mark.parametrize("existing", ["my_method.py", "tests/test_my_method.py"])
def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).parent.mkdir(exist_ok=True)
    (tmp_path / existing).write_text("precious")
    with pytest.raises(BenchError, match=f"{existing} already exists: remove it, or choose another name"):
        write_baseline(Names("my-method"), Place(tmp_path, is_checkout=False))
    assert files_under(tmp_path) == {existing}
    assert (tmp_path / existing).read_text() == "precious"


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    for is_checkout in (True, False):
        for path in write_baseline(Names("my-method"), Place(tmp_path / str(is_checkout), is_checkout)):
            assert "$" not in path.read_text()


def test_one_that_trains_has_files_of_the_same_names(tmp_path: Path) -> None:
    paths = write_baseline(Names("my-method"), Place(tmp_path, is_checkout=False, trains=True))
    assert files_under(tmp_path) == {"my_method.py", "tests/test_my_method.py", "pyproject.toml"}
    assert "trained_by_steps" in paths[0].read_text()
    assert not any("$" in path.read_text() for path in paths)
