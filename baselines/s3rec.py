"""S3-Rec: a SASRec pre-trained to relate items, attributes and segments, then trained to recommend.

The second stage is :mod:`bench.baselines.sasrec` with the binary loss; without the first stage, both are equal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from bench.baselines.networks.s3rec_pretraining import BatchMaker, Pretraining, Weights, title_attributes
from bench.baselines.recbole_models.recommender import ARTIFACT_KIND
from bench.baselines.sasrec import SASRec

from bench.files.hashing import derived_seed
from bench.learning.epochs import Resumable, TrainingRecord, train_epochs
from bench.learning.stored import trained_once
from bench.learning.training import descend, seeded
from bench.plugin import above, at_least, at_most
from bench.progress import prefixed
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint
    from bench.plugin import FitReport, Task

FINE_TUNING_PARAMS = ("loss", "epochs", "patience", "learning_rate", "batch_size", "weight_decay")
"""Parameters that only affect the second stage; the first stage's weights are reused when they change."""


@register(
    "s3rec",
    title="S³-Rec",
    family="sequential",
    paper="Zhou et al. 2020, arXiv 2008.07873",
    needs_titles=True,
    cold_rule="zero in the cold setting; otherwise, the dot product with its initial embedding, which is not trained",
    ranks_catalogue=True,
    extras=("recbole",),
)
class S3Rec(SASRec):
    """SASRec, pre-trained with the sum of four losses: 0.2 AAP + MIP + MAP + 0.5 SP.

    The attributes are words of the titles. Both stages align histories to the left, so that a position has the same
    meaning in both. The encoder is bidirectional in the first stage and causal in the second.
    """

    @dataclass(frozen=True)
    class Params(SASRec.Params):
        """Hyper-parameters of S3-Rec."""

        loss: Literal["ce", "bce"] = "bce"
        """Second stage: binary loss with one negative (the paper), or cross-entropy over items with interactions."""
        pretrain_epochs: int = field(default=50, metadata=at_least(0))
        """Epochs of the first stage, with one prefix per user (the paper: 300, with all prefixes); 0 skips it."""
        pretrain_batch_size: int = field(default=100, metadata=at_least(1))
        """Prefixes per batch in the first stage."""
        pretrain_learning_rate: float = field(default=1e-3, metadata=above(0) | at_most(1))
        """Adam's learning rate in the first stage."""
        mask_share: float = field(default=0.2, metadata=above(0) | at_most(1))
        """Fraction of masked items; the last item is always masked."""
        attribute_weight: float = field(default=0.2, metadata=at_least(0))
        """Weight of the visible items' attributes (AAP)."""
        masked_item_weight: float = field(default=1.0, metadata=at_least(0))
        """Weight of the masked items (MIP)."""
        masked_attribute_weight: float = field(default=1.0, metadata=at_least(0))
        """Weight of the masked items' attributes (MAP)."""
        segment_weight: float = field(default=0.5, metadata=at_least(0))
        """Weight of the masked segments (SP)."""
        attributes: int = field(default=512, metadata=at_least(1))
        """Maximum number of attributes; if there are more title words, they are hashed."""
        min_titles: int = field(default=5, metadata=at_least(1))
        """Minimum number of titles in which an attribute's word must occur."""
        max_title_share: float = field(default=0.01, metadata=above(0) | at_most(1))
        """Maximum fraction of titles in which an attribute's word may occur."""

    def report(self) -> FitReport:
        """Add the first stage's training log and its attributes."""
        return replace(super().report(), stages={"pretraining": self.pretraining.report()}).stating(
            n_attributes=self.attributes.shape[1], n_attribute_words=self.n_attribute_words
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        params = self.params
        return (
            f"attributes are words of titles (in {params.min_titles} titles to {params.max_title_share:.0%} of "
            f"them, hashed to {params.attributes} if there are more), not categories and brands",
            f"{params.pretrain_epochs} pre-training epochs of one prefix per user, drawn from all prefixes; the "
            "paper has 300 epochs of all prefixes",
            "histories are aligned to the left in both stages",
            "prefixes of one item, which have no segment, are not used in pre-training",
            "early stopping on validation NDCG@3 over the fixed candidates",
        )

    def _learn(self, task: Task) -> TrainingRecord:
        params = self.params
        self.attributes, self.n_attribute_words = title_attributes(
            task.target.titles, params.attributes, params.min_titles, params.max_title_share
        )
        self.pretraining = TrainingRecord((), (), ())
        if params.pretrain_epochs:
            key = self._pretraining_key(task)
            self.pretraining = trained_once(
                task.artifacts, ARTIFACT_KIND, key, self.model, partial(self._pretrain, task)
            )
        return super()._learn(task)

    def _pretrain(self, task: Task, checkpoint: Checkpoint) -> TrainingRecord:
        """Train the model on the four losses, with random generators that the second stage does not use."""
        params = self.params
        rng = np.random.default_rng(derived_seed(task.seed, "batches", "s3rec pre-training"))
        maker = BatchMaker(task.target, params.max_length, params.pretrain_batch_size, params.mask_share)
        weights = Weights(
            params.attribute_weight, params.masked_item_weight, params.masked_attribute_weight, params.segment_weight
        )
        with seeded(derived_seed(task.seed, "s3rec pre-training")):
            stage = Pretraining(self.model, self.attributes).to(self.model.device)
            optimizer = torch.optim.Adam(stage.parameters(), params.pretrain_learning_rate, fused=True)
            self._keep_cold_embeddings(optimizer, task)

            def train_epoch(_: int) -> float:
                batches = (batch.to(self.model.device) for batch in maker.epoch(rng))
                return descend(stage, optimizer, (stage.total(batch, weights) for batch in batches))

            return train_epochs(
                stage,
                train_epoch,
                params.pretrain_epochs,
                prefixed(task.progress, f"S3Rec on {task.target.name}, pre-training, ", "pre-training, "),
                Resumable(checkpoint, optimizer, rng),
            )

    def _pretraining_key(self, task: Task) -> dict[str, Any]:
        params = {name: value for name, value in asdict(self.params).items() if name not in FINE_TUNING_PARAMS}
        return {**self._key(task), "stage": "pre-training", "params": params}
