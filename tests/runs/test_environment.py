from __future__ import annotations

import mmap
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import bench.runs.environment
from bench.errors import BenchError
from bench.runs.environment import (
    Meter,
    chosen_device,
    computing_threads,
    git_state,
    package_versions,
    peak_memory_bytes,
    without_planned_attention,
)

MEBIBYTE = 1 << 20


def test_each_phase_has_its_seconds_and_its_peak() -> None:
    meter = Meter()
    with meter.phase("idle"):
        pass
    with meter.phase("sleep"):
        time.sleep(0.05)
    assert list(meter.seconds) == list(meter.peak_memory_bytes) == ["idle", "sleep"]
    assert meter.seconds["idle"] < 0.05 <= meter.seconds["sleep"] < 5
    assert all(isinstance(peak, int) and peak > MEBIBYTE for peak in meter.peak_memory_bytes.values())


def test_a_phase_that_fails_is_measured_all_the_same() -> None:
    meter = Meter()
    with pytest.raises(RuntimeError), meter.phase("fit"):
        raise RuntimeError
    assert set(meter.seconds) == {"fit"}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system cannot reset the peak")
def test_a_large_array_is_seen_in_its_own_phase_alone() -> None:
    meter, size_bytes = Meter(), 256 * MEBIBYTE
    with meter.phase("before"):
        pass
    with meter.phase("large"):
        fresh = mmap.mmap(-1, size_bytes)  # np.ones might be given memory that the process has freed but kept
        fresh.write(bytes(1) * size_bytes)
        fresh.close()
    with meter.phase("after"):
        pass
    peaks = meter.peak_memory_bytes
    assert peaks["large"] - peaks["before"] > 0.9 * size_bytes
    assert peaks["large"] - peaks["after"] > 0.9 * size_bytes


def test_systems_without_proc_give_the_peak_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.runs.environment, "Path", lambda text: Path("/no/such/folder") / Path(text).name)
    meter = Meter()
    with meter.phase("fit"):
        pass
    assert meter.peak_memory_bytes["fit"] == peak_memory_bytes() > MEBIBYTE


def test_windows_gives_the_peak_of_its_working_set(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(peak_wset=3 * MEBIBYTE)
    process = SimpleNamespace(memory_info=lambda: memory)
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(Process=lambda: process))
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(sys, "platform", "win32")
    assert peak_memory_bytes() == 3 * MEBIBYTE


def test_without_torch_there_is_the_processor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert chosen_device("auto") == chosen_device("cpu") == "cpu"
    with pytest.raises(BenchError, match=r"Device 'cuda' needs the extra 'lm' \(torch cannot be found\)"):
        chosen_device("cuda")


def test_versions_name_python_and_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.runs.environment, "PACKAGES", ("numpy", "surely-not-installed"))
    versions = package_versions()
    assert set(versions) == {"python", "numpy"}
    assert versions["numpy"] == np.__version__


def test_the_state_of_a_repository_is_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        return subprocess.check_output(["git", *identity, *words], cwd=tmp_path, text=True).strip()

    git("init", "--quiet")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "--quiet", "--message", "first")
    assert git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "file").write_text("two")
    assert git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": True}


def test_there_is_no_state_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None
    assert git_state(tmp_path / "missing") is None


def test_there_is_no_state_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


def test_the_number_of_threads_is_that_of_torch() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert computing_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_without_torch_there_is_no_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    assert computing_threads() is None


def test_a_device_needs_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as with the extra 'recbole' and without 'lm'
    assert chosen_device("cpu") == "cpu"
    assert chosen_device("auto").partition(":")[0] in ("cpu", "cuda")


@pytest.mark.parametrize(("device", "is_left_out"), [("cuda", True), ("cuda:1", True), ("cpu", False)])
def test_attention_that_plans_each_shape_is_left_out_on_a_gpu_alone(device: str, is_left_out: bool) -> None:
    before = torch.backends.cuda.cudnn_sdp_enabled()
    assert before
    with without_planned_attention(device):
        assert torch.backends.cuda.cudnn_sdp_enabled() is not is_left_out
    assert torch.backends.cuda.cudnn_sdp_enabled() == before
    with pytest.raises(ValueError, match="a failed run"), without_planned_attention(device):
        raise ValueError("a failed run")
    assert torch.backends.cuda.cudnn_sdp_enabled() == before
