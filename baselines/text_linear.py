"""Linear text baseline: a linear map on frozen title vectors.

It has two towers as in :mod:`bench.lm.encoders.towers`, but trains only one square matrix over the vectors of a frozen
encoder. The matrix starts as the identity, which is ``text-knn``, and is trained with the same loss and negatives as
the encoder's adapters. Its stopping rule is more patient than theirs, and it is validated on all queries. A trained
text method with a lower score needs an explanation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.files.hashing import derived_seed
from bench.learning.keys import training_key
from bench.learning.steps import StepPlan
from bench.learning.stepwise import Stepwise
from bench.learning.stored import trained_by_steps
from bench.learning.training import stopping_score, validation_sample
from bench.lm.encoders.title_vectors import title_vectors
from bench.lm.encoders.tower_batches import Positions, TowerBatch
from bench.lm.encoders.towers import LearnedTemperature, batch_loss, tower_scores
from bench.lm.loading import task_backbone
from bench.plugin import FitReport, Queries, Recommender, Task, above, at_least, at_most, between, shrinks_to
from bench.progress import prefixed
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint


@dataclass(frozen=True)
class TextLinearParams:
    """How the map is trained."""

    learning_rate: float = field(default=1e-3, metadata=above(0) | at_most(1))
    """Peak learning rate of AdamW."""
    epochs: int = field(default=40, metadata=at_least(1))
    """Maximum number of passes over the examples."""
    batch_size: int = field(default=768, metadata=at_least(1))
    """Examples per step."""
    max_examples: int = field(default=0, metadata=shrinks_to("examples") | at_least(0))
    """Training examples per epoch (a random sample); 0 uses all."""
    max_history: int = field(default=20, metadata=at_least(1))
    """Maximum length of a history, in training and scoring."""
    n_negatives: int = field(default=32, metadata=at_least(0))
    """Titles drawn uniformly per batch as negatives, in addition to those in the batch."""
    warmup_steps: int = field(default=30, metadata=at_least(0))
    """Warm-up steps of the learning rate."""
    checks_an_epoch: int = field(default=4, metadata=at_least(1))
    """Validation checks per epoch."""
    patience: int = field(default=12, metadata=at_least(1))
    """Consecutive checks without improvement (at least one epoch) before the learning rate decays and training ends.
    With five, one of three seeds on Beauty ended after a third of the epochs."""
    decay_share: float = field(default=0.1, metadata=between(0, 1))
    """Number of decay steps, as a fraction of the steps up to the best state."""
    n_validation: int = field(default=0, metadata=shrinks_to("validation") | at_least(0))
    """Number of validation queries (a random sample) for model selection and early stopping; 0 uses all, without which
    noise ends training too early."""


class LinearTowers(nn.Module):
    """The map and the temperature; the frozen vectors are not part of the state."""

    def __init__(self, title_vectors: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("frozen", torch.from_numpy(title_vectors), persistent=False)
        self.map = nn.Parameter(torch.eye(title_vectors.shape[1]))
        self.temperature = LearnedTemperature()

    def vectors(self, items: NDArray[np.int64]) -> Tensor:
        """Return the mapped unit vectors of items, shape (n, d); items without a title keep their zero vector."""
        frozen = self.get_buffer("frozen")[torch.from_numpy(items).to(self.map.device)]
        return nn.functional.normalize(frozen @ self.map.T, dim=-1)

    def loss(self, batch: TowerBatch, _step: int) -> Tensor:
        """Return the cross-entropy of each next item among the batch's."""
        return batch_loss(self.vectors(batch.items), batch, self.temperature)

    def table(self) -> NDArray[np.float32]:
        """Return the mapped vectors of the whole catalogue, shape (n_items, d)."""
        with torch.no_grad():
            mapped: NDArray[np.float32] = self.vectors(np.arange(len(self.get_buffer("frozen")))).cpu().numpy()
        return mapped


@register(
    "text-linear",
    title="Text linear",
    family="control",
    needs_titles=True,
    runs_on="text-encoder",
    cold_rule="title text",
    ranks_catalogue=True,
)
class TextLinear(Recommender):
    """Cosine between linearly mapped title vectors of the pre-trained encoder."""

    Params = TextLinearParams

    def fit(self, task: Task) -> None:
        """Train (or load) the map."""
        backbone = task_backbone(task)
        self.task = task
        self.model = LinearTowers(title_vectors(task.target, backbone, task.artifacts, task.progress, task.device))
        self.model.to(task.device)
        key = training_key(self, task, asdict(self.params), backbone=backbone.revision)
        self.log = trained_by_steps(task.artifacts, "models", key, self.model, self.training)

    def training(self, checkpoint: Checkpoint) -> Stepwise:
        """Return the training of the map."""
        params, task = self.params, self.task
        positions = Positions(task.target, params.max_history)
        queries, answers = validation_sample(task, params.n_validation)

        def batches(epoch: int) -> Iterator[tuple[TowerBatch, int]]:
            rng = np.random.default_rng(derived_seed(task.seed, "text-linear", str(epoch)))
            for places in positions.epoch(params.max_examples, params.batch_size, rng):
                yield positions.batch(places, params.n_negatives, rng), len(places)

        return Stepwise(
            parameters=list(self.model.parameters()),
            batches=batches,
            n_batches=positions.n_batches(params.max_examples, params.batch_size),
            loss=self.model.loss,
            check=lambda: stopping_score(tower_scores(self.model.table(), queries, params.max_history), answers),
            plan=StepPlan.of(params),
            progress=prefixed(task.progress, f"linear map on {task.target.name}, "),
            checkpoint=checkpoint,
        )

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the cosines, shape (n, n_candidates)."""
        return tower_scores(self.model.table(), queries, self.params.max_history)

    def report(self) -> FitReport:
        """Return the training log."""
        n_trained = sum(weights.numel() for weights in self.model.parameters())
        return FitReport(trained_parameters=n_trained, training=self.log.report())
