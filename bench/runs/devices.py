"""Which torch device a run uses."""

from __future__ import annotations

from bench.errors import BenchError


def chosen_device(name: str) -> str:
    """Return a usable torch device for ``auto``, ``cpu`` or ``cuda[:n]``.

    Raises:
        BenchError: the device is not there.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise BenchError(f"Device '{name}' cannot be used ({reason}). Use --device cpu or --device auto.") from error
    return name
