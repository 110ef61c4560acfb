"""Time, speed and memory on a device, which computes while the CPU goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch


def peak_flops(width: int, device: torch.device, dtype: torch.dtype) -> float:
    """Return the floating-point operations per second of a product of two square matrices."""
    first, second = (torch.randn(width, width, device=device, dtype=dtype) for _ in range(2))
    timed(lambda: first @ second, device)
    return 2 * width**3 / min(timed(lambda: first @ second, device) for _ in range(5))


def timed(job: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that a job takes, until the device has finished it."""
    synchronize(device)
    begun = time.perf_counter()
    job()
    synchronize(device)
    return time.perf_counter() - begun


def synchronize(device: torch.device) -> None:
    """Wait until an accelerator has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def reset_peak(device: torch.device) -> None:
    """Forget the highest memory use so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def speed(tokens: int, seconds: float, flops_per_token: int, peak: float) -> dict[str, Any]:
    """Return tokens per second, which do not include padding, and the share of the peak that they are."""
    return {
        "tokens": tokens,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "share_of_peak": tokens / seconds * flops_per_token / peak,
    }


def memory(device: torch.device, expected: int | None) -> dict[str, Any]:
    """Return the highest memory use, which only an accelerator knows, beside that of the memory model."""
    measured = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None
    return {"peak_gigabytes": measured, "computed_gigabytes": None if expected is None else expected / 1e9}
