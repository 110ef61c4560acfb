"""Base class of the recommenders that use a RecBole model or one with RecBole's interface.

RecBole's model classes are used unmodified. Batches, negatives, early stopping on the fixed validation candidates and
storing of models are ours. A baseline is a short subclass of :class:`RecBoleRecommender`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.dataset import DomainAsDataset
from bench.baselines.recbole_models.learners import Learner, Transform, choose_learner
from bench.baselines.recbole_models.scoring import score_queries
from bench.baselines.recbole_models.shortcuts import Abilities, abilities_of, with_every_position
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.learning.epochs import Resumable, TrainingRecord, train_until_no_better
from bench.learning.keys import training_key
from bench.learning.params import TrainingParams
from bench.learning.stored import trained_once
from bench.learning.training import descend, keep_rows, seeded, stopping_score
from bench.plugin import FitReport, Queries, Recommender, Task
from bench.progress import prefixed

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.learning.checkpoints import Checkpoint

ARTIFACT_KIND = "models"


class RecBoleRecommender(Recommender):
    """A recommender with a RecBole model; subclasses name the model and translate their parameters."""

    model_name: ClassVar[str] = ""
    """RecBole's class name."""

    def model_class(self) -> type[Any]:
        """Return the RecBole class; override it for a custom model."""
        return zoo.model_class(self.model_name)

    def model_values(self) -> Mapping[str, Any]:
        """Return the model's settings under RecBole's names."""
        shared = TrainingParams.__dataclass_fields__
        return {key: value for key, value in asdict(self.params).items() if key not in shared}

    def choose_learner(self, model: Any, abilities: Abilities, domain: Domain, transform: Transform) -> Learner:
        """Return the learner that trains the model on the domain."""
        return choose_learner(model, abilities, domain, self.params, transform)

    def fit(self, task: Task) -> None:
        """Build the model, then train it or load the weights of an identical training."""
        seed = derived_seed(task.seed, "recbole", self.model_name)
        with seeded(seed), redirect_stdout(sys.stderr):  # some models print, and standard output is for results
            self.model, transform = self._build(task, seed)
            made_with_model = self.model.other_parameter()
            self._require_known_users(task)
            self.abilities = abilities_of(self.model, self.params.max_length)
            self.learner = self.choose_learner(self.model, self.abilities, task.target, transform)
            # RecBole's state outside the weights is built with the model, or is a cache of earlier weights.
            self.model.load_other_parameter(made_with_model)
            if self._has_weights():
                self.record = self._learn(task)
                self.model.load_other_parameter(made_with_model)
            else:
                self.record = self._learn_at_once()

    def score(self, queries: Queries) -> NDArray[np.floating]:
        """Return the scores of all candidates, shape (n, n_candidates)."""
        return score_queries(self.model, self.abilities, queries, self.params.max_length)

    def report(self) -> FitReport:
        """Return the size of the model, its training log and the shortcuts used."""
        return FitReport(
            trained_parameters=sum(weights.numel() for weights in self.model.parameters()),
            training=self.record.report(),
            extra={"example": self.learner.name, "shortcuts": asdict(self.abilities)},
        )

    def _build(self, task: Task, seed: int) -> tuple[Any, Transform]:
        """Return the model and the batch transformation that it needs: masking, reversing, or none."""
        with zoo.importing_recbole():
            from recbole.data.transform import construct_transform
        model_class = self.model_class()
        sequential = hasattr(model_class, "get_attention_mask")
        dataset = DomainAsDataset(task.target, self.params.max_length, sequential)
        config = zoo.model_config(self.model_values(), self.params, task.device, seed)
        change = construct_transform(config)  # before the model, which reads the names of the columns it adds
        made = with_every_position(model_class) if sequential else model_class
        with self._refused_parameters():
            model = made(config, dataset)
        return model.to(config["device"]), lambda batch: change(dataset, batch)

    @contextmanager
    def _refused_parameters(self) -> Iterator[None]:
        """Raise BenchError if RecBole's class fails in the block and some parameters are not the defaults."""
        defaults = asdict(type(self.params)())
        changed = {name: value for name, value in asdict(self.params).items() if value != defaults[name]}
        try:
            yield
        except Exception as error:  # a class may reject a value in any way: an assertion, a KeyError, ...
            if isinstance(error, BenchError) or not changed:
                raise
            named = ", ".join(f"{name}={value}" for name, value in changed.items())
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise BenchError(f"RecBole's {self.model_name} cannot be built with {named} ({reason}).") from error

    def _require_known_users(self, task: Task) -> None:
        """Raise BenchError if the model has a vector per user and the setting evaluates users it has not seen."""
        if task.setting == "user-split" and not reads_histories_alone(self.model):
            raise BenchError(
                f"RecBole's {self.model_name} learns a vector per user and cannot score the user-split setting's new "
                "users: use --setting warm, or a class that uses histories, such as recbole:SASRec."
            )

    def _has_weights(self) -> bool:
        # RecBole gives models that are not trained by gradients a single dummy weight, for its own trainer.
        return any(weights.requires_grad and weights.numel() > 1 for weights in self.model.parameters())

    def _learn_at_once(self) -> TrainingRecord:
        """Pass each example once: a model without weights is fitted when built, or counts the examples it sees."""
        for _ in self.learner.losses(np.random.default_rng(0)):
            pass
        return TrainingRecord((), (), ())

    def _learn(self, task: Task) -> TrainingRecord:
        return trained_once(task.artifacts, ARTIFACT_KIND, self._key(task), self.model, partial(self._train, task))

    def _train(self, task: Task, checkpoint: Checkpoint) -> TrainingRecord:
        rng = np.random.default_rng(derived_seed(task.seed, "batches", self.model_name))
        optimizer = torch.optim.Adam(
            self.model.parameters(), self.params.learning_rate, weight_decay=self.params.weight_decay, fused=True
        )
        self._keep_cold_embeddings(optimizer, task)
        return train_until_no_better(
            self.model,
            lambda: descend(self.model, optimizer, self.learner.losses(rng)),
            lambda: stopping_score(self.score(task.validation), task.validation_answers),
            self.params.epochs,
            self.params.patience,
            prefixed(task.progress, f"{self.model_name} on {task.target.name}, "),
            Resumable(checkpoint, optimizer, rng),
        )

    def _keep_cold_embeddings(self, optimizer: torch.optim.Optimizer, task: Task) -> None:
        """Protect the embeddings of items without interactions from weight decay and RecBole's softmax.

        In the cold setting they are zero, so that such an item scores zero for any history. Nothing is known about
        untrained items, and a random initial embedding would rank them by noise.
        """
        embedding = getattr(self.model, "item_embedding", None)
        if isinstance(embedding, torch.nn.Embedding):
            cold = torch.from_numpy(np.flatnonzero(task.target.item_counts() == 0) + 1).to(embedding.weight.device)
            if task.setting == "cold":
                embedding.weight.data[cold] = 0
            keep_rows(optimizer, embedding.weight, cold)

    def _key(self, task: Task) -> dict[str, Any]:
        """Return everything that determines the weights."""
        rule = {"untrained_items": "zero"} if task.setting == "cold" else {}
        return {**training_key(self, task, libraries=("recbole",)), **rule}


def reads_histories_alone(model: Any) -> bool:
    """Whether a model is sequential and has no user-specific weights."""
    sequential = hasattr(model, "get_attention_mask")
    return sequential and not any("user" in name for name, _ in model.named_parameters())
