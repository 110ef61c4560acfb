"""What training, merging and scoring need of a language model, whichever kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.data.domain import Domain
from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.backbones import Backbone
from bench.plugin import ProgressHook, Queries, Task


class LanguageModel(ABC):
    """A loaded backbone with a way to learn from domains and to score candidates.

    Adapters come from outside (PEFT while training, hooks or folded weights afterwards), so every path runs the
    ordinary forward of ``model``.
    """

    backbone: Backbone
    model: nn.Module
    objective: str
    """Names what is learned, the same for all instances of a class; part of every adapter's key."""

    @abstractmethod
    def __init__(self, backbone: Backbone, device: str = "cpu") -> None: ...

    @classmethod
    def for_task(cls, backbone: Backbone, task: Task) -> Self:
        """Load the backbone for a task."""
        return cls(backbone, task.device)

    adapted_layers: tuple[str, ...] = ()
    """Names of the linear layers that adapters change, such as ``q_proj``; empty where that is all of them.
    Where it is not, ``objective`` must say so."""

    slice_batches: int = 4
    """Batches of the held-back slice that choose an adapter's best state."""

    def new_head(self, seed: int) -> nn.Module | None:
        """Take a freshly initialised scoring head, trained along with an adapter, and return it; None has none."""
        return None

    def facts(self) -> dict[str, Any]:
        """Return what a run record should state about how a query is read and scored."""
        return {}

    @abstractmethod
    def batches(
        self, domains: Sequence[Domain], recipe: LoraRecipe, rng: np.random.Generator
    ) -> Iterator[tuple[Any, int]]:
        """Yield one epoch of training batches from the domains' training interactions, each with its examples."""

    @abstractmethod
    def count_batches(self, domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return about how many batches an epoch has: the learning rate's schedule is laid over this number."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Return the mean loss of a batch, a scalar."""

    @abstractmethod
    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return one score a candidate, shape (n, 30)."""

    def score_with(
        self, adapter: Adapter | None, domain: Domain, queries: Queries, progress: ProgressHook
    ) -> NDArray[np.float32]:
        """Return :meth:`score` of the model with an adapter; afterwards the model is as it was."""
        with folded(self.model, adapter):
            return self.score(domain, queries, progress)

    @abstractmethod
    def entropy(self, domain: Domain, queries: Queries) -> Tensor:
        """Return the mean entropy in nats of what the model predicts for the queries, differentiable, a scalar."""
