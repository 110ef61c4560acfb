"""What ``bench doctor`` says of the machine: directories, disk, threads and the hub."""

from __future__ import annotations

import os
import urllib.error
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import doctor_checks
from bench.errors import BenchError
from bench.files.folders import Folders


@pytest.fixture
def places(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "cache", tmp_path / "results")


def test_directories_that_do_not_exist_yet_are_made_when_needed_and_nothing_is_written(
    places: Folders, tmp_path: Path
) -> None:
    assert doctor_checks.cache(places) == f"{places.cache_dir} (made when it is first written)"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check", [doctor_checks.cache, doctor_checks.results])
def test_a_directory_that_cannot_be_written_is_a_fault_with_the_option_that_changes_it(
    places: Folders, monkeypatch: pytest.MonkeyPatch, check: Callable[[Folders], str]
) -> None:
    def read_only(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("bench.files.output.require_writable", read_only)
    with pytest.raises(BenchError, match=r"cannot be written \(Permission denied\): change --(cache|results)-dir"):
        check(places)


def test_a_full_disk_is_a_fault(places: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _place: SimpleNamespace(free=3_000_000_000))
    assert doctor_checks.disk(places) == "3.0 GB free for cache, 3.0 GB free for results"
    monkeypatch.setattr("shutil.disk_usage", lambda _place: SimpleNamespace(free=5_000_000))
    with pytest.raises(BenchError, match=r"5 MB free for cache.*expected 500 MB or more\. See 'bench cache info'"):
        doctor_checks.disk(places)


def test_a_disk_that_holds_small_models_only_is_no_fault_but_is_told(
    places: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _place: SimpleNamespace(free=1_100_000_000))
    finding = doctor_checks.disk(places)
    assert finding.startswith("1.1 GB free for cache, 1.1 GB free for results; ")
    assert finding.endswith("language models may need 2.0 GB or more, see 'bench cache info'")


def test_a_data_directory_that_does_not_exist_is_a_fault(places: Folders, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"The data directory .* does not exist"):
        doctor_checks.data(Folders(places.cache_dir, places.results_dir, tmp_path / "nowhere"))
    assert "without BENCH_DATA" in doctor_checks.data(places)


def test_threads_are_shown_per_library_with_the_variables_that_set_them(
    places: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in doctor_checks.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    text = doctor_checks.threads(places)
    assert text.startswith(f"{os.cpu_count()} cores, torch ")
    assert text.endswith("(OMP_NUM_THREADS is not set)")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert doctor_checks.threads(places).endswith("(OMP_NUM_THREADS=1)")


def test_a_hub_that_is_not_used_is_not_asked(places: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert doctor_checks.hub(places).startswith("not used, because HF_HUB_OFFLINE is set")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (urllib.error.URLError("no route"), "cannot be reached (no route); minilm and tiny work without it"),
        (TimeoutError("timed out"), "cannot be reached (timed out); minilm and tiny work without it"),
        (urllib.error.HTTPError("https://x", 403, "no", None, None), "can be reached (it answers 403)"),  # type: ignore[arg-type]
    ],
)
def test_a_hub_that_cannot_be_reached_is_no_fault(
    places: Folders, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def ask(*_: Any, **__: Any) -> None:
        raise error

    for name in doctor_checks.OFFLINE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("urllib.request.urlopen", ask)
    assert doctor_checks.hub(places).endswith(said)
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    with pytest.raises(BenchError, match="expected an address such as"):
        doctor_checks.hub(places)
