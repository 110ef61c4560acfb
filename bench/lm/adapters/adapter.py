"""Represent LoRA adapters as plain tensors, check which of them may be merged, and store them on disk.

An adapter changes each adapted linear layer W (d_out × d_in) by Δ = scaling · B·A, with A (r × d_in), B (d_out × r).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bench.errors import BenchError
from bench.files.hashing import file_sha256
from bench.files.store import read_json, write_json
from bench.plugin import above, at_least, at_most, below, between, shrinks_to

HEAD_PREFIX = "head:"
LAYER_NUMBER = re.compile(r"\.(\d+)\.")
"""Finds a layer's number in the name of a module in it."""


@dataclass(frozen=True)
class LoraRecipe:
    """How an adapter is trained (RecCocktail and WeaveRec: rank 16, alpha 32, dropout .05).

    Values that are None depend on the kind of language model; :meth:`completed` fills them in.
    """

    rank: int = field(default=16, metadata=at_least(1))
    """Rank r of the factors."""
    alpha: int = field(default=32, metadata=at_least(1))
    """LoRA's alpha: its scaling times its rank."""
    dropout: float | None = field(default=None, metadata=at_least(0) | below(1))
    """Fraction of a layer's input dropped before A; none: 0 for an encoder, 0.05 for a decoder."""
    learning_rate: float | None = field(default=None, metadata=above(0) | at_most(1))
    """Peak learning rate of AdamW; none: 0.004 for an encoder, 0.001 for a decoder."""
    epochs: int | None = field(default=None, metadata=at_least(1))
    """Maximum passes over the examples; none: 40 for an encoder, 1 for a decoder."""
    batch_size: int | None = field(default=None, metadata=at_least(1))
    """Examples per step; none: 768 for an encoder, 32 for a decoder."""
    max_examples: int | None = field(default=None, metadata=shrinks_to("examples") | at_least(0))
    """Training examples per epoch, a seeded sample with the same number from each domain (WeaveRec: 40,000 per domain);
    0 uses all; none: all for an encoder, 10,000 for a decoder."""
    max_history: int = field(default=20, metadata=at_least(1))
    """Maximum length of a history, in training and scoring."""
    title_words: int = field(default=0, metadata={"neutral": True} | at_least(0))
    """For a decoder: number of first words of each title in prompts and answers; 0 keeps whole titles."""
    candidates_in_prompt: bool = field(default=True, metadata={"neutral": True})
    """For a decoder: whether the prompt contains the candidates, in training and scoring."""
    n_negatives: int = field(default=32, metadata=at_least(0))
    """For an encoder: titles drawn uniformly per batch as negatives, in addition to those in the batch."""
    adapted_layers: int | None = field(default=None, metadata=at_least(0))
    """Number of top layers that get an adapter; the states of a title below them are computed once. 0 uses all layers;
    none: 2 for an encoder whose layers can be run one by one, all for a decoder."""
    warmup_steps: int = field(default=30, metadata=at_least(0))
    """Warm-up steps of the learning rate."""
    checks_an_epoch: int = field(default=4, metadata=at_least(1))
    """Validation checks per epoch."""
    patience: int = field(default=5, metadata=at_least(1))
    """Consecutive checks without improvement (at least one epoch) before the learning rate decays and training ends."""
    decay_share: float = field(default=0.1, metadata=between(0, 1))
    """Number of decay steps, as a fraction of the steps up to the best state."""
    average_steps: int = field(default=0, metadata={"neutral": True} | at_least(0))
    """Mean age in steps of the averaged weights that are checked and kept; 0 uses the weights of single steps."""
    n_validation: int = field(default=2000, metadata=shrinks_to("validation") | at_least(0))
    """Validation queries per training domain, a seeded sample, that choose the kept state and the end of training;
    0 uses all."""

    def completed(self, defaults: Mapping[str, Any]) -> Self:
        """Return the recipe with each None replaced by the value in ``defaults``."""
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})


@dataclass(frozen=True)
class AdapterSpec:
    """Everything that determines an adapter; equal specs are trained once and shared by all methods."""

    kind: ClassVar[str] = "adapters"
    """Kind of artifact under which adapters are stored."""
    backbone: str
    """Revision of the backbone's weights."""
    domains: tuple[str, ...]
    """Content hashes of the training domains, sorted: hybrid(A, B) is hybrid(B, A)."""
    recipe: LoraRecipe
    seed: int
    """Seed of the order of examples and of the shared initialization."""
    start: str | None = None
    """Hash of the adapter that training starts from; None starts from the group's initialization."""
    as_long_as: tuple[str, ...] = ()
    """Hashes of adapters whose numbers of steps add up to this adapter's; empty lets validation decide."""
    order: int = 0
    """Which of several orders of examples after the same start; the members of a soup differ only in this."""
    validation: tuple[str, ...] = ()
    """Hash of each domain's validation queries, which choose the kept state."""
    objective: str = "ranking"
    """What is learned from the domains."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """Names of the domains, for display."""
    n_examples: int = field(default=0, compare=False)
    """Maximum number of training examples that it reads in all epochs together."""

    @property
    def max_examples(self) -> int:
        """Maximum number of training examples that it reads in all epochs together."""
        return self.n_examples

    @property
    def needs(self) -> tuple[str, ...]:
        """Hashes of the adapters that must be trained first."""
        return (*((self.start,) if self.start is not None else ()), *self.as_long_as)

    def key(self) -> dict[str, Any]:
        """Return the fields that identify the adapter."""
        values = asdict(self)
        del values["names"], values["n_examples"]
        for item in fields(LoraRecipe):  # adapters made before a neutral value existed keep their hashes
            if item.metadata.get("neutral") and values["recipe"].get(item.name) == item.default:
                del values["recipe"][item.name]
        return values


@dataclass(frozen=True, eq=False)
class Adapter:
    """Trained LoRA factors by module name, all of the same rank."""

    factors: Mapping[str, tuple[Tensor, Tensor]]
    """(A, B) of each adapted linear layer."""
    scaling: float
    """alpha / r."""
    base: str
    """Revision of the backbone that it was trained on."""
    initialisation: str
    """Name of the group of adapters that share A at step 0."""
    head: Mapping[str, Tensor] = field(default_factory=dict, kw_only=True)
    """Scoring head that was trained with the factors, by parameter name; empty if the model has none."""
    temperature: float | None = field(default=None, kw_only=True)
    """Number that scores are divided by to become logits, fitted on validation; None uses the model's own."""

    @property
    def rank(self) -> int:
        """Rank of the LoRA factors."""
        return int(next(iter(self.factors.values()))[0].shape[0])

    @property
    def n_parameters(self) -> int:
        """Number of values in all factors: Σ r·(d_in + d_out)."""
        return sum(a.numel() + b.numel() for a, b in self.factors.values())

    @property
    def n_trained_parameters(self) -> int:
        """Number of values changed by its training: those of the factors and, if it has one, of the head."""
        return self.n_parameters + sum(weights.numel() for weights in self.head.values())

    def on(self, device: torch.device | str) -> Adapter:
        """Return the adapter with its factors on a device, so that what is computed from them is computed there."""
        factors = {module: (a.to(device), b.to(device)) for module, (a, b) in self.factors.items()}
        return replace(self, factors=factors)

    def delta(self, module: str) -> Tensor:
        """Return scaling · B·A of one layer, (d_out, d_in); raise KeyError for a layer that the adapter lacks."""
        a, b = self.factors[module]
        return self.scaling * (b @ a)


def check_mergeable(adapters: Sequence[Adapter], *, same_initialisation: bool) -> None:
    """Raise BenchError that names the first difference that makes a merge meaningless."""
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
    """Describe in a few words how two facts differ; for two lists, give one name that only one of them contains."""
    if not isinstance(mine, list):
        return f"{mine} and {theirs}"
    only = sorted(set(mine) ^ set(theirs))
    return f"{len(mine)} and {len(theirs)} of them; only one adapter has {only[0]}"


def save_adapter(folder: Path, adapter: Adapter, facts: Mapping[str, Any]) -> None:
    """Write ``adapter.safetensors`` and ``adapter.json``, which has the tensors' SHA-256 and further facts."""
    tensors = {}
    for module, (a, b) in adapter.factors.items():
        tensors[f"{module}.A"], tensors[f"{module}.B"] = a.contiguous(), b.contiguous()
    tensors |= {HEAD_PREFIX + name: tensor.contiguous() for name, tensor in adapter.head.items()}
    path = folder / "adapter.safetensors"
    save_file(tensors, path)
    kept = ("scaling", "base", "initialisation", "temperature")
    described = {name: getattr(adapter, name) for name in kept}
    write_json(folder / "adapter.json", {**described, "sha256": file_sha256(path), **facts})


def load_adapter(folder: Path) -> tuple[Adapter, dict[str, Any]]:
    """Read an adapter and the facts stored with it.

    Raises:
        BenchError: the file is damaged (its SHA-256 differs from the recorded one), or a file cannot be read.
    """
    path = folder / "adapter.safetensors"
    try:
        facts = read_json(folder / "adapter.json")
        if file_sha256(path) != facts["sha256"]:
            raise BenchError(
                f"Adapter {path} is damaged (its SHA-256 has changed). Delete its directory and run again."
            )
        tensors = load_file(path)
        modules = sorted(name.removesuffix(".A") for name in tensors if name.endswith(".A"))
        factors = {module: (tensors[f"{module}.A"], tensors[f"{module}.B"]) for module in modules}
        head = {name.removeprefix(HEAD_PREFIX): tensors[name] for name in tensors if name.startswith(HEAD_PREFIX)}
        kept = {"head": head, "temperature": facts.get("temperature")}
        return Adapter(factors, facts["scaling"], facts["base"], facts["initialisation"], **kept), facts
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise BenchError(f"Adapter {path} cannot be read ({reason}). Delete its directory and run again.") from error


def like(adapter: Adapter, factors: Mapping[str, tuple[Tensor, Tensor]], scaling: float) -> Adapter:
    """Return an adapter with other factors on the same base."""
    return Adapter(factors, scaling, adapter.base, adapter.initialisation)


def linear_modules(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """Return the linear layers that LoRA adapts: all except an output head or a pooler."""
    unused = {"lm_head", "pooler"}
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not unused & set(name.split("."))
    }


def in_top_layers(modules: Sequence[str], n_layers: int) -> list[str]:
    """Return the names of the modules in the last ``n_layers`` numbered layers; 0 returns all.

    Args:
        modules: Full names, such as ``model.layers.3.mlp.up_proj`` or ``encoder.layer.3.attention.self.query``.
        n_layers: Number of layers.
    """
    if not n_layers:
        return list(modules)
    numbers = {name: int(found[1]) for name in modules if (found := LAYER_NUMBER.search(name))}
    top = sorted(set(numbers.values()))[-n_layers:]
    return [name for name, number in numbers.items() if number in top]
