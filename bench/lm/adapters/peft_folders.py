"""Write adapters as directories in PEFT's format, stored in the artifact store under their hash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor

from bench.files.hashing import content_hash
from bench.files.store import ArtifactStore, write_json

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import Adapter

KIND = "served-adapters"


def adapter_hash(adapter: Adapter) -> str:
    """Hash an adapter by its base and factors, so that equal adapters have the same name however they were made."""
    parts = [
        part
        for module, (a, b) in sorted(adapter.factors.items())
        for part in (module, a.detach().float().cpu().numpy(), b.detach().float().cpu().numpy())
    ]
    return content_hash(adapter.base, adapter.scaling, *parts)


def served_adapter(adapter: Adapter, artifacts: ArtifactStore) -> tuple[str, Path]:
    """Return an adapter's hash and its directory in PEFT's format, which is written if the store lacks it."""
    name = adapter_hash(adapter)
    return name, artifacts.get_or_make(KIND, {"adapter": name}, lambda folder: save_peft_folder(folder, adapter))


def save_peft_folder(folder: Path, adapter: Adapter) -> None:
    """Write ``adapter_model.safetensors`` and ``adapter_config.json`` in float32; the scaling is multiplied into B.

    Layers of a lower rank than others are padded with zeros, for readers that expect one rank.
    """
    rank = highest_rank(adapter)
    tensors: dict[str, Tensor] = {}
    for module, (a, b) in adapter.factors.items():
        filled_a, filled_b = torch.zeros(rank, a.shape[1]), torch.zeros(b.shape[0], rank)
        filled_a[: a.shape[0]] = a.detach()
        filled_b[:, : b.shape[1]] = adapter.scaling * b.detach()
        tensors[f"base_model.model.{module}.lora_A.weight"] = filled_a
        tensors[f"base_model.model.{module}.lora_B.weight"] = filled_b
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    write_json(folder / "adapter_config.json", _peft_settings(rank, adapter.factors))


def highest_rank(adapter: Adapter) -> int:
    """Return the highest rank of any layer; a merge of full updates can have ranks up to the layer width."""
    return max(int(a.shape[0]) for a, _ in adapter.factors.values())


def _peft_settings(rank: int, modules: Mapping[str, object]) -> dict[str, object]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(modules),
        "inference_mode": True,
    }
