"""The recommender shared by UniSRec and VQ-Rec: pre-train on the source domains, then fine-tune on the target.

The pre-trained weights are cached by everything that determines them, which excludes the target: all targets and
settings with the same sources, parameters and seed share one pre-training.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from bench.baselines.transferable.model import (
    FineTuning,
    SequenceEncoder,
    TransferableModel,
    cosine_scores,
    mixed,
    pretraining_losses,
)
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import content_hash, derived_seed
from bench.learning.epochs import Resumable, TrainingRecord, train_epochs, train_until_no_better
from bench.learning.keys import training_key
from bench.learning.params import TrainingParams
from bench.learning.stored import trained_once
from bench.learning.training import descend, seeded, stopping_score
from bench.lm.encoders.title_vectors import title_vectors
from bench.lm.loading import task_backbone
from bench.plugin import FitReport, Queries, Recommender, Task, above, at_least, at_most, below, divides
from bench.progress import prefixed

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint
    from bench.lm.backbones import Backbone

PRETRAINED_KIND = "pretrained"
FINE_TUNED_KIND = "models"
FINE_TUNING_FIELDS = frozenset(
    {"epochs", "patience", "learning_rate", "batch_size", "weight_decay", "frozen_encoder"},
)
"""Parameters that do not affect pre-trained weights, for any method."""


@dataclass(frozen=True)
class TransferableParams(TrainingParams):
    """Parameters shared by UniSRec and VQ-Rec."""

    epochs: int = field(default=100, metadata=at_least(1))
    """Maximum number of fine-tuning epochs."""
    batch_size: int = field(default=512, metadata=at_least(1))
    """Sequences per fine-tuning batch; every position is an example."""
    dimensions: int = field(default=128, metadata=at_least(1))
    """Size of item vectors (published: 300, which needs 2.5 times the computation)."""
    inner_dimensions: int = field(default=256, metadata=at_least(1))
    """Size of the feed-forward layers."""
    layers: int = field(default=2, metadata=at_least(1))
    """Self-attention blocks."""
    heads: int = field(default=2, metadata=at_least(1) | divides("dimensions"))
    """Attention heads per block."""
    dropout: float = field(default=0.5, metadata=at_least(0) | below(1))
    """Dropout rate of units and attention weights."""
    temperature: float = field(default=0.07, metadata=above(0))
    """Temperature by which cosines are divided in every loss."""
    pretrain_epochs: int = field(default=5, metadata=at_least(0))
    """Pre-training epochs on the source datasets (published: 300); 0 skips pre-training."""
    pretrain_batch_size: int = field(default=2048, metadata=at_least(1))
    """Approximate number of examples (positions) per pre-training batch (published: 8192)."""
    pretrain_learning_rate: float = field(default=1e-3, metadata=above(0) | at_most(1))
    """Adam's learning rate in pre-training."""
    frozen_encoder: bool = False
    """Freeze the pre-trained encoder and its position embeddings in fine-tuning, as in the published code."""
    quirk: bool = False
    """Treat another example of the same item as a negative with logit 0, as in the published code."""


class TransferableRecommender(Recommender):
    """A recommender over titles that is trained on source domains first and then on the target."""

    Params = TransferableParams
    fine_tuning_fields: ClassVar[frozenset[str]] = FINE_TUNING_FIELDS
    """Parameters that do not affect pre-training."""

    @abstractmethod
    def build_model(self, text_dimensions: int) -> TransferableModel:
        """Return the untrained model with an empty catalogue."""

    @abstractmethod
    def read_sources(self, model: Any, task: Task, backbone: Backbone) -> None:
        """Give the model the union of the source catalogues, in the order of ``task.sources``."""

    @abstractmethod
    def read_target(self, model: Any, task: Task, text: NDArray[np.float32]) -> None:
        """Give the model the target's catalogue, whose title vectors are ``text``."""

    def before_fine_tuning(self, model: Any, task: Task, learner: FineTuning) -> None:
        """Adapt the pre-trained weights to the target's catalogue; by default, do nothing."""

    def fit(self, task: Task) -> None:
        """Pre-train and fine-tune the model, or load the weights of identical trainings."""
        backbone = task_backbone(task)
        text = title_vectors(task.target, backbone, task.artifacts, task.progress, task.device)
        with seeded(self._seed(task, "weights")):
            self.model = self.build_model(text.shape[1]).to(task.device)
        self.n_items = task.target.n_items
        self.sources = tuple(domain.name for domain in task.sources) if self.params.pretrain_epochs else ()
        self.pretraining = self._pretrained(task, backbone)
        with seeded(self._seed(task, "fine-tuning")):
            self.read_target(self.model, task, text)
            self.model.to(task.device)
            key = self._fine_tuning_key(task, backbone)
            self.record = trained_once(task.artifacts, FINE_TUNED_KIND, key, self.model, partial(self._fine_tune, task))

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the cosines of histories and candidates, shape (n, n_candidates)."""
        return cosine_scores(self.model, queries, self.n_items, self.params.max_length)

    def report(self) -> FitReport:
        """Return the model's size and both training logs."""
        return FitReport(
            trained_parameters=sum(weights.numel() for weights in self.model.parameters()),
            training=self.record.report(),
            stages={"pretraining": self.pretraining.report(self.sources)},
        )

    def made_with(self) -> dict[str, str]:
        """Return the versions of packages that affect the weights, other than torch and RecBole."""
        return {}

    def encoder(self) -> SequenceEncoder:
        """Return an untrained encoder of the chosen size."""
        params = self.params
        return SequenceEncoder(
            params.dimensions, params.inner_dimensions, params.layers, params.heads, params.dropout, params.max_length
        )

    def adam(self, weights: Any, learning_rate: float) -> torch.optim.Optimizer:
        """Return the optimizer of the weights that are not frozen."""
        trained = [weight for weight in weights if weight.requires_grad]
        return torch.optim.Adam(trained, learning_rate, weight_decay=self.params.weight_decay, fused=True)

    def _pretrained(self, task: Task, backbone: Backbone) -> TrainingRecord:
        if not self.params.pretrain_epochs:
            return TrainingRecord((), (), ())
        if not task.sources:
            raise BenchError(
                "Pre-training needs source datasets: give --source-datasets A,B, or skip pre-training with "
                "-p pretrain_epochs=0."
            )
        key = self._pretraining_key(task, backbone)
        return trained_once(task.artifacts, PRETRAINED_KIND, key, self.model, partial(self._pretrain, task, backbone))

    def _pretrain(self, task: Task, backbone: Backbone, checkpoint: Checkpoint) -> TrainingRecord:
        with seeded(self._seed(task, "pre-training")):
            self.read_sources(self.model, task, backbone)
            self.model.to(task.device)
            sequences = mixed(task.sources, self.params.max_length)
            rng = np.random.default_rng(self._seed(task, "pre-training batches"))
            optimizer = torch.optim.Adam(self.model.parameters(), self.params.pretrain_learning_rate, fused=True)
            size = self.params.pretrain_batch_size
            return train_epochs(
                self.model,
                lambda _: descend(self.model, optimizer, pretraining_losses(self.model, sequences, size, rng)),
                self.params.pretrain_epochs,
                prefixed(task.progress, f"{self._name} on {', '.join(self.sources)}, pre-training, ", "pre-training, "),
                Resumable(checkpoint, optimizer, rng),
            )

    def _fine_tune(self, task: Task, checkpoint: Checkpoint) -> TrainingRecord:
        params = self.params
        learner = FineTuning(task.target, params.max_length, params.batch_size, params.temperature)
        self.before_fine_tuning(self.model, task, learner)
        self.model.encoder.requires_grad_(not self._frozen)
        rng = np.random.default_rng(self._seed(task, "fine-tuning batches"))
        optimizer = self.adam(self.model.parameters(), params.learning_rate)
        return train_until_no_better(
            self.model,
            lambda: descend(self.model, optimizer, learner.losses(self.model, rng)),
            lambda: stopping_score(self.score(task.validation), task.validation_answers),
            params.epochs,
            params.patience,
            prefixed(task.progress, f"{self._name} on {task.target.name}, "),
            Resumable(checkpoint, optimizer, rng),
        )

    @property
    def _frozen(self) -> bool:
        # Without pre-training, a frozen encoder would stay random.
        return bool(self.params.frozen_encoder and self.params.pretrain_epochs)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _seed(self, task: Task, purpose: str) -> int:
        return derived_seed(task.seed, self._name, purpose)

    def _pretraining_key(self, task: Task, backbone: Backbone) -> dict[str, Any]:
        """Return everything that determines the pre-trained weights; the target is not part of it."""
        early = {key: value for key, value in asdict(self.params).items() if key not in self.fine_tuning_fields}
        sources = [domain.content_hash for domain in task.sources]
        return self._key(task, backbone, early, knows_target=False, sources=sources)

    def _fine_tuning_key(self, task: Task, backbone: Backbone) -> dict[str, Any]:
        pretrained = content_hash(self._pretraining_key(task, backbone)) if self.params.pretrain_epochs else None
        return self._key(task, backbone, pretrained=pretrained)

    def _key(
        self, task: Task, backbone: Backbone, params: Mapping[str, Any] | None = None, **facts: Any
    ) -> dict[str, Any]:
        return training_key(
            self,
            task,
            params,
            libraries=("recbole",),
            read_by=(title_vectors.__module__,),
            backbone=backbone.revision,
            made_with=self.made_with(),
            **facts,
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from both papers."""
        found = [
            "the items' text is only the title, encoded by the run's backbone",
            "all positions of a sequence are examples at once; an item's vector is computed once per batch",
            "the softmax of fine-tuning is over the items with training interactions",
            "early stopping on NDCG@3 over the fixed validation candidates",
        ]
        if self.params.dimensions != 300:
            found.append(f"vectors of {self.params.dimensions} dimensions instead of 300")
        if not self.params.pretrain_epochs:
            return (*found, "no pre-training")
        found.append(
            f"pre-trained for {self.params.pretrain_epochs} epochs in batches of {self.params.pretrain_batch_size} on "
            "the run's source domains, not for 300 in batches of 8192 on the authors' five domains"
        )
        found.append("items of the same user are not negatives in pre-training")
        if not self.params.quirk:
            found.append("another example of the same item is left out of the negatives, not counted with logit 0")
        if not self.params.frozen_encoder:
            found.append("the encoder is trained in fine-tuning as well")
        return tuple(found)
