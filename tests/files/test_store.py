from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.files.store import ArtifactStore, read_json, require_new, write_json, write_text, written_whole


class Crash(BaseException):
    """Stands for anything that ends a process's work: an error, a signal, an interrupt."""


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.none() | st.binary(),
    pieces=st.lists(st.binary()),
    error=st.sampled_from([ValueError, OSError, KeyboardInterrupt, Crash]),
)
def test_a_write_that_fails_leaves_the_folder_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, before: bytes | None, pieces: list[bytes], error: type[BaseException]
) -> None:
    folder = tmp_path_factory.mktemp("folder")
    path = folder / "result.bin"
    if before is not None:
        path.write_bytes(before)
    content = files_in(folder)

    def write_and_fail() -> None:
        with written_whole(path) as temporary, temporary.open("wb") as stream:
            stream.writelines(pieces)
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert files_in(folder) == content


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.none() | st.text(), after=st.text())
def test_a_write_that_succeeds_replaces_the_file_and_leaves_nothing_beside_it(
    tmp_path_factory: pytest.TempPathFactory, before: str | None, after: str
) -> None:
    path = tmp_path_factory.mktemp("folder") / "deeper" / "result.txt"
    if before is not None:
        write_text(path, before)
    write_text(path, after)
    assert files_in(path.parent) == {"result.txt": after.encode()}


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    write_text(path, "old")
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    write_text(tmp_path / "result.txt", "text")
    assert (tmp_path / "result.txt").stat().st_mode & 0o777 == 0o644


def test_json_reads_back_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"título": [1, 2.5, None]})
    assert read_json(path) == {"título": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    assert read_json(path) == {"título": [1, 2.5, None]}


def test_an_artifact_is_made_once(tmp_path: Path) -> None:
    store, made = ArtifactStore(tmp_path), []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "weights").write_text("1 2 3")

    key = {"method": "example", "seed": 0}
    assert not store.made("models", key)
    first, second = store.get_or_make("models", key, make), store.get_or_make("models", dict(key), make)
    assert first == second == store.path("models", key)
    assert len(made) == 1
    assert store.made("models", key)
    assert (first / "weights").read_text() == "1 2 3"
    assert json.loads((first / "made.json").read_text()) == key


def test_other_keys_and_kinds_are_other_artifacts(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    paths = {store.get_or_make(kind, key, lambda _: None) for kind in ("models", "vectors") for key in (1, "1", [1])}
    assert len(paths) == 6


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_making_that_fails_leaves_nothing_and_can_be_tried_again(tmp_path: Path, error: type[BaseException]) -> None:
    store = ArtifactStore(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise error

    with pytest.raises(error):
        store.get_or_make("models", "key", fail)
    assert list((tmp_path / "models").iterdir()) == []
    assert not store.made("models", "key")
    assert store.get_or_make("models", "key", lambda folder: None).is_dir()


def test_a_folder_without_its_last_file_counts_as_missing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    folder = store.path("models", "key")
    folder.mkdir(parents=True)
    (folder / "half").write_text("written")
    store.get_or_make("models", "key", lambda folder: None)
    assert set(files_in(folder)) == {"made.json"}


def test_who_comes_second_keeps_the_first_ones_artifact(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def write_first(folder: Path) -> None:
        (folder / "maker").write_text("first")

    def overtaken(folder: Path) -> None:
        (folder / "maker").write_text("second")
        store.get_or_make("models", "key", write_first)

    folder = store.get_or_make("models", "key", overtaken)
    assert (folder / "maker").read_text() == "first"
    assert [path.name for path in (tmp_path / "models").iterdir()] == [folder.name]


def test_many_at_once_end_with_one_whole_artifact(tmp_path: Path) -> None:
    store, barrier, found = ArtifactStore(tmp_path), Barrier(4, timeout=10), []

    def make(folder: Path) -> None:
        barrier.wait()
        (folder / "weights").write_text("1 2 3")

    threads = [Thread(target=lambda: found.append(store.get_or_make("models", "key", make))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [store.path("models", "key")] * 4
    assert set(files_in(tmp_path / "models" / found[0].name)) == {"weights", "made.json"}
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_a_process_that_is_killed_leaves_no_artifact(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from bench.files.store import ArtifactStore\n"
        "def make(folder):\n    (folder / 'half').write_text('written')\n    os._exit(9)\n"
        "ArtifactStore(pathlib.Path(sys.argv[1])).get_or_make('models', 'key', make)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 9
    store = ArtifactStore(tmp_path)
    assert not store.made("models", "key")
    folder = store.get_or_make("models", "key", lambda folder: None)
    assert set(files_in(folder)) == {"made.json"}


def test_what_is_there_already_is_no_new_name(tmp_path: Path) -> None:
    require_new(tmp_path / "new")
    (tmp_path / "taken").mkdir()
    with pytest.raises(BenchError, match=r"taken already exists: remove it, or choose another name\."):
        require_new(tmp_path / "taken")
