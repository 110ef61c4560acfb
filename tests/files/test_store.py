from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
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


@pytest.mark.parametrize(("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_the_users_umask_says_who_may_read_what_was_written(tmp_path: Path, umask: int, file: int, folder: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "result.txt", "text")
        made = ArtifactStore(tmp_path).get_or_make("models", "key", lambda _: None)
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "result.txt", made, made / "made.json")]
    assert modes == [file, folder, file]


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
    stated = json.loads((first / "made.json").read_text())
    assert stated == {"key": key, "files": {"weights": hashlib.sha256(b"1 2 3").hexdigest()}}


def test_an_artifact_that_comes_with_bench_is_copied_unless_it_is_damaged_or_made_anew(tmp_path: Path) -> None:
    def write(text: str) -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            (folder / "weights").write_text(text)

        return make

    ArtifactStore(tmp_path / "shipped").get_or_make("models", "key", write("shipped"))
    for name, trained_anew, expected in (("usual", None, "shipped"), ("anew", set(), "own"), ("damaged", None, "own")):
        store = ArtifactStore(tmp_path / name, trained_anew, shipped=tmp_path / "shipped")
        assert store.made("models", "key")
        assert not store.made("models", "another")
        assert store.place("models", store.path("models", "key").name).is_relative_to(tmp_path / "shipped")
        if name == "damaged":
            (store.place("models", store.path("models", "key").name) / "weights").write_text("half")
        folder = store.get_or_make("models", "key", write("own"))
        assert (folder / "weights").read_text() == expected
        assert store.place("models", folder.name) == folder
        assert list(store.damaged()) == []


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


def test_who_knows_no_leases_and_comes_first_is_kept(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    folder = store.path("models", "key")

    def overtaken(temporary: Path) -> None:
        (temporary / "maker").write_text("second")
        folder.mkdir()
        (folder / "maker").write_text("first")
        (folder / "made.json").write_text('"key"')

    assert store.get_or_make("models", "key", overtaken) == folder
    assert (folder / "maker").read_text() == "first"
    assert [path.name for path in (tmp_path / "models").iterdir()] == [folder.name]


def test_of_many_at_once_one_makes_the_artifact_and_the_others_wait_for_it(tmp_path: Path) -> None:
    store, barrier, found, made = ArtifactStore(tmp_path), Barrier(4, timeout=10), [], []

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.2)
        (folder / "weights").write_text("1 2 3")

    def want() -> None:
        barrier.wait()
        found.append(store.get_or_make("models", "key", make))

    threads = [Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [store.path("models", "key")] * 4
    assert len(made) == 1
    assert set(files_in(tmp_path)) == {f"models/{found[0].name}/{name}" for name in ("weights", "made.json")}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The weights of an artifact."""

    def make(folder: Path) -> None:
        (folder / "weights").write_text("1 2 3")
        (folder / "facts.json").write_text("{}")

    return ArtifactStore(tmp_path).get_or_make("models", "key", make) / "weights"


def flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "weights is not what was written": flip,
    "weights is missing": Path.unlink,
    "facts.json is not what was written": lambda path: path.with_name("facts.json").write_text('{"a": 1}'),
    "facts.json is missing": lambda path: path.with_name("facts.json").unlink(),
    "made.json cannot be read": lambda path: path.with_name("made.json").write_text(""),
}


@pytest.mark.parametrize("said", list(DAMAGES))
def test_a_damaged_artifact_is_made_again_with_a_line(tmp_path: Path, model: Path, said: str) -> None:
    DAMAGES[said](model)
    lines: list[str] = []
    store = ArtifactStore(tmp_path, progress=lines.append)
    assert [said in line for line in store.damaged()] == [True]
    again = store.get_or_make("models", "key", lambda folder: (folder / "weights").write_text("4 5 6"))
    assert lines == [f"{model.parent} is damaged ({said}): it is made again"]
    assert (again / "weights").read_text() == "4 5 6"
    assert list(store.damaged()) == []
    assert [path.name for path in (tmp_path / "models").iterdir()] == [again.name]


def test_an_artifact_from_before_hashes_were_stated_is_used_and_states_them_from_now_on(
    tmp_path: Path, model: Path
) -> None:
    model.with_name("made.json").write_text('"key"')
    store = ArtifactStore(tmp_path)
    assert store.get_or_make("models", "key", pytest.fail) == model.parent
    assert set(json.loads(model.with_name("made.json").read_text())["files"]) == {"weights", "facts.json"}
    flip(model)
    assert len(list(store.damaged())) == 1


def test_a_damaged_artifact_that_cannot_be_made_again_is_still_there(tmp_path: Path, model: Path) -> None:
    flip(model)
    content = files_in(tmp_path)

    def fail(_: Path) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ArtifactStore(tmp_path).get_or_make("models", "key", fail)
    assert files_in(tmp_path) == content


def test_what_a_making_killed_at_its_very_end_left_goes_at_the_next_use(tmp_path: Path, model: Path) -> None:
    store = ArtifactStore(tmp_path)
    unfinished = store.unfinished("models", "key")
    unfinished.mkdir(parents=True)
    (unfinished / "checkpoint.safetensors").write_text("state")
    store.get_or_make("models", "key", pytest.fail)
    assert not unfinished.exists()


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
    assert not store.being_made("models", "key")
    folder = store.get_or_make("models", "key", lambda folder: None)
    assert set(files_in(tmp_path)) == {f"models/{folder.name}/made.json"}


def test_what_is_there_already_is_no_new_name(tmp_path: Path) -> None:
    require_new(tmp_path / "new")
    (tmp_path / "taken").mkdir()
    with pytest.raises(BenchError, match=r"taken already exists: remove it, or choose another name\."):
        require_new(tmp_path / "taken")
