"""Save the state of an unfinished training, in one file written atomically next to the artifact it will become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bench.files.store import written_whole

FACTS = "facts"
SEPARATOR = "/"


@dataclass(frozen=True)
class Checkpoint:
    """A file of named tensors and JSON facts."""

    path: Path

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Write tensors and facts, replacing what was saved before."""
        on_cpu = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        with written_whole(self.path) as temporary:
            save_file(on_cpu, temporary, metadata={FACTS: json.dumps(facts)})

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return what was saved last; None if there is no file or it cannot be read."""
        try:
            with safe_open(self.path, framework="pt") as stored:
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
                return tensors, json.loads(stored.metadata()[FACTS])
        except (FileNotFoundError, SafetensorError, KeyError, TypeError, json.JSONDecodeError):
            return None

    def of_stage(self, name: str) -> Checkpoint:
        """Return the checkpoint of one of several trainings that make one artifact together."""
        return Checkpoint(self.path.with_name(f"{name}{self.path.suffix}"))

    def remove(self) -> None:
        """Remove the file after the training has finished, and its directory if it is empty then."""
        self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.parent.rmdir()


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """Return an optimizer's moments and step counts under names that begin with ``prefix``."""
    state = optimizer.state_dict()["state"]
    return {
        SEPARATOR.join((prefix, str(weight), name)): torch.as_tensor(value)
        for weight, values in state.items()
        for name, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Restore an optimizer's moments and step counts."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        own, *rest = name.split(SEPARATOR)
        if own == prefix:
            weight, field = rest
            state.setdefault(int(weight), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
