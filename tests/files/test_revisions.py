"""Revisions: a stated number while the code is the stated code, else a hash of it."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.files import revisions
from bench.files.revisions import UNDER_WORK, differing, main, modules_behind, restated, revision_of, syntax_hash
from bench.registry import PACKAGES, scan_package

SOURCE = '''
"""A method."""
from helping import half

SIGN = 1  # either way


def score(x: float) -> float:
    """Score it."""
    return SIGN * half(x)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A package ``mine`` of one's own outside the project, whose files the fixture's function writes."""
    (tmp_path / "mine").mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> None:
        for name, text in {"__init__": "", **files}.items():
            (tmp_path / "mine" / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        forget()

    def forget() -> None:
        for cached in (revision_of, syntax_hash, revisions._imported, revisions._file_of, revisions._folder_of):
            cached.cache_clear()
        revisions._manifest.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
            del sys.modules[name]

    yield write
    forget()


def modules_of(package: str) -> Iterator[tuple[str, Path]]:
    """Yield the name and the file of each module that lies in a package's folder."""
    folder = revisions._folder_of(package)
    assert folder is not None
    for path in sorted(folder.rglob("*.py")):
        yield ".".join([package, *path.relative_to(folder).with_suffix("").parts]), path


def hash_of(tmp_path: Path, source: str, name: str = "one.py") -> str:
    path = tmp_path / name
    path.write_text(source, encoding="utf-8")
    syntax_hash.cache_clear()
    return syntax_hash(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# either way", "# one way or the other"),
        ('"""Score it."""', '"""Give a score."""'),
        ('"""Score it."""\n', '"""Score it."""\n\n'),
        ("SIGN * half(x)", "(SIGN * half( x ))"),
        ("SIGN = 1  # either way", 'SIGN = 1\n"""Said of it."""'),
    ],
)
def test_comments_docstrings_and_layout_do_not_change_a_hash(tmp_path: Path, before: str, after: str) -> None:
    assert before in SOURCE
    assert hash_of(tmp_path, SOURCE.replace(before, after)) == hash_of(tmp_path, SOURCE)


@pytest.mark.parametrize(
    ("before", "after"), [("SIGN = 1", "SIGN = -1"), ("half(x)", "half(-x)"), ("half\n", "third\n")]
)
def test_whatever_computes_changes_it(tmp_path: Path, before: str, after: str) -> None:
    assert before in SOURCE
    assert hash_of(tmp_path, SOURCE.replace(before, after)) != hash_of(tmp_path, SOURCE)


def test_the_manifest_states_the_code_at_hand() -> None:
    found = differing(json.loads(revisions.MANIFEST.read_text(encoding="utf-8")))
    assert found == {}, (
        "code that computes results differs from what bench/revisions.json states: say with "
        "'python -m bench.files.revisions' which roots now give other results (--raise ROOT), and that those of the "
        "others stay (--confirm)"
    )


def test_a_shipped_method_has_a_number_and_its_shared_modules_count() -> None:
    assert revision_of("bench.baselines.sasrec", "bench.protocol.task") == 1
    assert {"bench.baselines.sasrec", "bench.learning.training"} <= set(modules_behind("bench.baselines.sasrec"))
    assert "bench.cli.run" not in modules_behind("bench.baselines.sasrec")


def test_every_method_and_whatever_asks_for_its_own_revision_is_a_root_and_no_other_is() -> None:
    methods = {entry.target.partition(":")[0] for package in PACKAGES for entry in scan_package(package)}
    asking = {
        module
        for folder in ("bench", "bench.baselines", "bench.methods")
        for module, path in modules_of(folder)
        if "revision_of(__name__" in path.read_text(encoding="utf-8")
    }
    stated = json.loads(revisions.MANIFEST.read_text(encoding="utf-8"))
    assert set(stated["revisions"]) == methods | asking
    assert {"bench.protocol.task", "bench.lm.training.library"} <= asking
    assert all(root in modules_behind(root) for root in stated["revisions"])


def test_no_module_keeps_a_revision_by_hand_or_hashes_a_source_file() -> None:
    for module, path in (*modules_of("bench"), *modules_of("bench.baselines"), *modules_of("bench.methods")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\w*REVISION = |content_hash\([^)]*__file__", text, re.MULTILINE), module


def test_the_revisions_of_several_roots_count_together(
    package: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "MANIFEST", tmp_path / "revisions.json")
    package(one="x = 1\n", two="x = 2\n", three="x = 3\n", four="from mine.three import x\n")
    stated = restated({"revisions": {"mine.one": 2, "mine.two": 3, "mine.four": 1}, "modules": {}}, ["mine.one"])
    (tmp_path / "revisions.json").write_text(json.dumps(stated), encoding="utf-8")
    assert revision_of("mine.one", "mine.two") == revision_of("mine.two", "mine.one") == 5
    assert revision_of("mine.one", "mine.three") == 3  # no root, but its code is stated
    assert str(revision_of("mine.three", "mine.one")).startswith(UNDER_WORK)
    package(one="x = 1\n", two="x = 2\n", three="x = 4\n")
    assert str(revision_of("mine.one", "mine.three")).startswith(UNDER_WORK)


def test_a_plugin_is_under_work_and_known_by_all_its_code(package: Callable[..., None]) -> None:
    package(method="from mine.helping import half\nSIGN = 1\n", helping="def half(x): return x / 2\n")
    first = revision_of("mine.method")
    assert str(first).startswith(UNDER_WORK)
    package(method="from mine.helping import half\nSIGN = 1  # up\n", helping="def half(x):\n    return x / 2\n")
    assert revision_of("mine.method") == first
    package(method="from .helping import half\nSIGN = 1\n", helping="def half(x): return x / 3\n")
    assert revision_of("mine.method") != first
    assert set(modules_behind("mine.method")) == {"mine.method", "mine.helping"}


def test_importing_a_module_from_a_package_is_not_importing_all_of_the_package(package: Callable[..., None]) -> None:
    package(__init__="from mine.other import x\n", method="from mine import helping\n", helping="", other="x = 1\n")
    assert set(modules_behind("mine.method")) == {"mine.method", "mine.helping"}
    package(__init__="from mine.other import x\n", method="from mine import x\n", helping="", other="x = 1\n")
    assert set(modules_behind("mine.method")) == {"mine", "mine.method", "mine.other"}


def test_changed_code_is_under_work_until_it_is_raised_or_confirmed(
    package: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "MANIFEST", tmp_path / "revisions.json")
    package(one="from mine.both import x\n", two="from mine.both import x\n", both="x = 1\n")
    stated = restated({"revisions": {}, "modules": {}}, ["mine.one", "mine.two"])
    (tmp_path / "revisions.json").write_text(json.dumps(stated), encoding="utf-8")
    assert revision_of("mine.one") == revision_of("mine.two") == 1
    package(one="from mine.both import x\n", two="from mine.both import x\n", both="x = 2\n")
    assert str(revision_of("mine.one")).startswith(UNDER_WORK)
    assert main([]) == 1
    assert main(["--raise", "mine.one"]) == 1  # nobody has said what the change is to the other
    assert main(["--raise", "mine.one", "--confirm"]) == 0
    revision_of.cache_clear(), revisions._manifest.cache_clear()
    assert (revision_of("mine.one"), revision_of("mine.two")) == (2, 1)
    assert main([]) == 0
