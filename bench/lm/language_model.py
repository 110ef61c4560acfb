"""Define what training, merging and scoring need from a language model of any kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray

from bench.errors import BenchError
from bench.lm.adapters.adapter import Adapter, LoraRecipe, in_top_layers, linear_modules
from bench.lm.adapters.apply import folded
from bench.lm.precision import training_precision

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from bench.data.domain import Domain
    from bench.lm.backbones import Backbone
    from bench.plugin import Answers, ProgressHook, Queries, Task

MAX_HISTORY = 20
"""Default number of most recent history items that are read."""
ENTROPY_TOKENS = 3
"""Number of first answer tokens whose entropy guides a merge (RecCocktail: 3, on Beauty 5)."""


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a training batch that is read in one forward and backward pass."""

    batch: Any
    share: float = 1.0
    """The weight of its mean loss in the batch's mean loss."""
    n_tokens: int = 0
    """Number of tokens, padding included; 0 if it is not known."""


@dataclass(frozen=True)
class Reading:
    """What a language model reads of a query."""

    max_history: int = MAX_HISTORY
    """Number of most recent history items."""
    title_words: int = 0
    """Number of first words of a title, for a decoder; 0 reads all."""
    candidates_in_prompt: bool = True
    """Whether a decoder's prompt contains the candidates."""


class LanguageModel(ABC):
    """A loaded backbone that can learn from domains and score candidates.

    Adapters are attached from outside (PEFT during training, hooks or folded weights afterwards), so every path runs
    the ordinary forward of ``model``.
    """

    backbone: Backbone
    model: nn.Module
    objective: str
    """Name of what is learned, the same for all instances of a class; part of every adapter's key."""

    @abstractmethod
    def __init__(self, backbone: Backbone, device: str = "cpu") -> None: ...

    @classmethod
    def for_task(cls, backbone: Backbone, task: Task) -> Self:
        """Load the backbone for a task."""
        return cls(backbone, task.device)

    defaults: ClassVar[Mapping[str, Any]] = {}
    """Recipe values used if a method's parameters leave them to the kind of model; see :class:`LoraRecipe`."""
    dense_in_training = False
    """Whether an adapted layer multiplies by W + scaling · B·A, one product instead of three. This is faster for a
    small model that reads many tokens per step, and possible only without dropout."""
    adapted_layers: tuple[str, ...] = ()
    """Names of the linear layers that adapters change, such as ``q_proj``; empty for all of them.
    If it is not empty, ``objective`` must say so."""
    max_history: int
    """Number of most recent history items that are read."""

    def adapted_modules(self, recipe: LoraRecipe) -> list[str]:
        """Return the full names of the linear layers that adapters change: those of the recipe's top layers."""
        kinds = self.adapted_layers
        names = [name for name in linear_modules(self.model) if not kinds or name.rpartition(".")[2] in kinds]
        return in_top_layers(names, recipe.adapted_layers or 0)

    def set_up(self, reading: Reading, ranking: str | None) -> None:
        """Set what is read of a query and how candidates are ranked."""
        if reading != Reading(reading.max_history):
            raise BenchError(
                f"Backbone '{self.backbone.name}' is not a decoder, and -p title_words and -p candidates_in_prompt "
                "only apply to one: remove them, or use --backbone smollm2."
            )
        self.max_history = reading.max_history

    @contextmanager
    def prepared_for(
        self, domains: Sequence[Domain], recipe: LoraRecipe, progress: ProgressHook | None = None
    ) -> Iterator[None]:
        """Keep whatever speeds up training on these domains while the block runs."""
        yield

    @contextmanager
    def changed_only_by(self, adapters: Sequence[Adapter]) -> Iterator[None]:
        """Keep what does not depend on these adapters; in the block no others may be applied to the model."""
        yield

    def new_head(self, seed: int) -> nn.Module | None:
        """Install and return a freshly initialized scoring head, trained along with an adapter; None without a head."""
        return None

    def facts(self) -> dict[str, Any]:
        """Return what a run record should state about how a query is read and scored."""
        return {}

    @abstractmethod
    def batches(
        self, domains: Sequence[Domain], recipe: LoraRecipe, rng: np.random.Generator
    ) -> Iterator[tuple[Any, int]]:
        """Yield an epoch of batches from the domains' training interactions, each with its number of examples."""

    @abstractmethod
    def count_examples(self, domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return how many examples an epoch has."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Return the mean loss of a batch, a scalar."""

    @property
    def layers(self) -> Sequence[nn.Module]:
        """Layers that training may run again in the backward pass to save memory; empty if it must not."""
        return ()

    def parts(self, batch: Any, max_tokens: int | None) -> list[Part]:
        """Divide a batch into parts of at most ``max_tokens`` tokens, or of one row; None keeps it whole.

        The batch's mean loss is the sum of the parts' mean losses, each times its share. A model whose examples depend
        on each other does not divide a batch.
        """
        return [Part(batch)]

    def held_out(self, domain: Domain, queries: Queries, answers: Answers) -> Any | None:
        """Return queries with their answers as a batch whose loss is recorded at each check; None records none."""
        return None

    @abstractmethod
    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return one score per candidate, shape (n, n_candidates)."""

    def scores_in_training(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return :meth:`score` with the adapter in training, in the dtype of training and without gradients."""
        with training_precision(next(self.model.parameters()).device):
            return self.score(domain, queries, progress)

    has_temperature: ClassVar[bool] = False
    """Whether scores become calibrated logits when divided by a temperature; see :meth:`temperature_on`."""

    def temperature_on(self, scores: NDArray[np.float32], answers: Answers) -> float:
        """Return the number to divide scores by to get calibrated logits."""
        raise NotImplementedError(f"{type(self).__name__} has no temperature.")

    def answer_temperature(self, held_out: Sequence[Any]) -> float | None:
        """Return the number that calibrates the logits of answers on batches of held-out queries; None if none does."""
        return None

    def begin_at(self, temperature: float) -> None:
        """Start training at this temperature if one is learned."""
        return

    def score_with(
        self, adapter: Adapter | None, domain: Domain, queries: Queries, progress: ProgressHook
    ) -> NDArray[np.float32]:
        """Return :meth:`score` of the model with an adapter; the model is restored afterwards."""
        adapters = () if adapter is None else (adapter,)
        with folded(self.model, adapter), self.changed_only_by(adapters):
            return self.score(domain, queries, progress)

    @abstractmethod
    def entropy(
        self,
        domain: Domain,
        queries: Queries,
        temperature: float | Tensor | None = None,
        n_tokens: int = ENTROPY_TOKENS,
    ) -> Tensor:
        """Return the mean entropy in nats of the model's predictions for the queries, a differentiable scalar.

        Args:
            domain: The domain of the queries.
            queries: At least one.
            temperature: The number above 0 by which scores are divided to become logits; None uses the model's own.
            n_tokens: Number of first answer tokens that count, for models that answer in tokens; others ignore it.
        """

    def entropy_terms(
        self,
        domain: Domain,
        queries: Queries,
        temperature: float | Tensor | None = None,
        n_tokens: int = ENTROPY_TOKENS,
    ) -> Iterator[Tensor]:
        """Yield scalars whose sum is :meth:`entropy`; computing each one's gradient before the next saves memory."""
        yield self.entropy(domain, queries, temperature, n_tokens)
