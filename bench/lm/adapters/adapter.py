"""LoRA adapters as plain tensors: what they are, when two of them may be merged, and how they are kept on disk.

An adapter changes each adapted linear layer W (d_out × d_in) by Δ = scaling · B·A, with A (r × d_in), B (d_out × r).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bench.errors import BenchError
from bench.files.hashing import file_sha256
from bench.files.store import read_json, write_json
from bench.plugin import shrinks_to

HEAD_PREFIX = "head:"


@dataclass(frozen=True)
class LoraRecipe:
    """How an adapter is trained (RecCocktail and WeaveRec: rank 16, alpha 32, dropout .05, cosine, warm-up .05)."""

    rank: int = 16
    """Rank r of the factors."""
    alpha: int = 32
    """Scaling times rank."""
    dropout: float = 0.05
    """Share of a layer's input dropped before A."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    epochs: int = 1
    """Passes over the examples."""
    batch_size: int = 32
    """Histories (encoder) or prompts (causal) a step."""
    max_examples: int = field(default=10_000, metadata=shrinks_to("examples"))
    """Training examples of an epoch, a seeded sample, the same number from each domain (WeaveRec: 40,000 a domain)."""
    max_history: int = 20
    """Most recent items that a history keeps."""
    warmup_share: float = 0.05
    """Share of the steps over which the learning rate rises."""
    slice_share: float = field(default=0.02, metadata=shrinks_to("slice"))
    """Share of the training users set aside to choose the best state by loss; nobody is where that is fewer than 50."""


@dataclass(frozen=True)
class AdapterSpec:
    """Everything that makes an adapter; equal specs are trained once and shared by all methods."""

    kind: ClassVar[str] = "adapters"
    """Kind of artefact under which adapters are stored."""
    backbone: str
    """Revision of the backbone's weights."""
    domains: tuple[str, ...]
    """Content hashes of the training domains, sorted: hybrid(A, B) is hybrid(B, A)."""
    recipe: LoraRecipe
    seed: int
    """Seed of the order of examples and of the shared initialisation."""
    start: str | None = None
    """Hash of the adapter that training starts from; None starts from the group's initialisation."""
    objective: str = "ranking"
    """What is learned from the domains."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """The domains' names, for people."""

    @property
    def max_examples(self) -> int:
        """Training examples that it reads at most, all epochs together."""
        return self.recipe.max_examples * self.recipe.epochs

    def key(self) -> dict[str, Any]:
        """Return the fields that identify the adapter."""
        fields = asdict(self)
        del fields["names"]
        return fields


@dataclass(frozen=True, eq=False)
class Adapter:
    """Trained factors by module name, all of one rank."""

    factors: Mapping[str, tuple[Tensor, Tensor]]
    """(A, B) of each adapted linear layer."""
    scaling: float
    """alpha / r."""
    base: str
    """Revision of the backbone that it was trained on."""
    initialisation: str
    """Names the group whose adapters share A at step 0."""
    head: Mapping[str, Tensor] = field(default_factory=dict, kw_only=True)
    """The scoring head that was trained with the factors, by parameter name; empty where the model has none."""

    @property
    def rank(self) -> int:
        """Rank of the factors."""
        return int(next(iter(self.factors.values()))[0].shape[0])

    @property
    def n_parameters(self) -> int:
        """Number of values in all factors: Σ r·(d_in + d_out)."""
        return sum(a.numel() + b.numel() for a, b in self.factors.values())

    @property
    def n_trained_parameters(self) -> int:
        """Number of values that its training changed: the factors' and, where it has one, the head's."""
        return self.n_parameters + sum(weights.numel() for weights in self.head.values())

    def delta(self, module: str) -> Tensor:
        """Return scaling · B·A of one layer, (d_out, d_in); a layer that the adapter lacks has none."""
        a, b = self.factors[module]
        return self.scaling * (b @ a)


def check_mergeable(adapters: Sequence[Adapter], *, same_initialisation: bool) -> None:
    """Raise BenchError with the first difference that makes a merge meaningless."""
    first = adapters[0]
    for other in adapters[1:]:
        facts = [("base models", first.base, other.base), ("scalings", first.scaling, other.scaling)]
        if same_initialisation:
            facts += [
                ("ranks", first.rank, other.rank),
                ("target modules", sorted(first.factors), sorted(other.factors)),
                ("initialisations", first.initialisation, other.initialisation),
            ]
        for what, mine, theirs in facts:
            if mine != theirs:
                raise BenchError(f"These adapters cannot be merged: their {what} differ ({_apart(mine, theirs)}).")


def _apart(mine: Any, theirs: Any) -> str:
    """Return in a few words what tells two facts apart; of two lists, one name that only one of them has."""
    if not isinstance(mine, list):
        return f"{mine} and {theirs}"
    only = sorted(set(mine) ^ set(theirs))
    return f"{len(mine)} and {len(theirs)} of them; only one adapter has {only[0]}"


def save_adapter(folder: Path, adapter: Adapter, facts: Mapping[str, Any]) -> None:
    """Write ``adapter.safetensors`` and ``adapter.json`` (with the tensors' SHA-256 and further facts)."""
    tensors = {}
    for module, (a, b) in adapter.factors.items():
        tensors[f"{module}.A"], tensors[f"{module}.B"] = a.contiguous(), b.contiguous()
    tensors |= {HEAD_PREFIX + name: tensor.contiguous() for name, tensor in adapter.head.items()}
    path = folder / "adapter.safetensors"
    save_file(tensors, path)
    described = {"scaling": adapter.scaling, "base": adapter.base, "initialisation": adapter.initialisation}
    write_json(folder / "adapter.json", {**described, "sha256": file_sha256(path), **facts})


def load_adapter(folder: Path) -> tuple[Adapter, dict[str, Any]]:
    """Read an adapter and the facts stored with it.

    Raises:
        BenchError: the file is damaged (its SHA-256 is not the recorded one), or one of the two cannot be read.
    """
    path = folder / "adapter.safetensors"
    try:
        facts = read_json(folder / "adapter.json")
        if file_sha256(path) != facts["sha256"]:
            raise BenchError(f"Adapter {path} is damaged: its SHA-256 is not the recorded one. Delete its folder.")
        tensors = load_file(path)
        modules = sorted(name.removesuffix(".A") for name in tensors if name.endswith(".A"))
        factors = {module: (tensors[f"{module}.A"], tensors[f"{module}.B"]) for module in modules}
        head = {name.removeprefix(HEAD_PREFIX): tensors[name] for name in tensors if name.startswith(HEAD_PREFIX)}
        return Adapter(factors, facts["scaling"], facts["base"], facts["initialisation"], head=head), facts
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise BenchError(f"Adapter {path} cannot be read ({reason}). Delete its folder and run again.") from error


def like(adapter: Adapter, factors: Mapping[str, tuple[Tensor, Tensor]], scaling: float) -> Adapter:
    """Return an adapter with other factors on the same base."""
    return Adapter(factors, scaling, adapter.base, adapter.initialisation)


def linear_modules(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """Return the linear layers that LoRA adapts: all but an output head or a pooler."""
    unused = {"lm_head", "pooler"}
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not unused & set(name.split("."))
    }
