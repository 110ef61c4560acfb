"""Convert weights that a model's directory has as ``pytorch_model.bin`` alone to safetensors, once."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError
from bench.files.store import written_whole

SAFE_FILE = "model.safetensors"
BIN_FILES = "pytorch_model*.bin"


def has_only_bin(folder: Path) -> bool:
    """Return whether a directory has weights, but none as safetensors."""
    return any(folder.glob(BIN_FILES)) and not any(folder.glob("*.safetensors"))


def convert_to_safetensors(folder: Path) -> None:
    """Write ``model.safetensors`` next to the ``pytorch_model*.bin`` of a directory; the names of tensors are kept.

    The files are pickles, which can run any code when they are read. Only tensors are read from them.

    Raises:
        BenchError: a file contains something else than tensors.
    """
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob(BIN_FILES)):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            tensors |= {str(name): tensor.detach().clone().contiguous() for name, tensor in state.items()}
        except Exception as error:  # the exception depends on what the file contains
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            raise BenchError(f"The weights {path} are not plain tensors ({reason}). Use another model.") from error
    with written_whole(folder / SAFE_FILE) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
