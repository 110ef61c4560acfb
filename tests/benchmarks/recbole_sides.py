"""Training and validation by RecBole's own loops, and by ours, of the same model on the same data.

RecBole's side is its own code: its data loaders with their collation, its negative sampler, its trainer's epoch and
evaluation loops, its collector and evaluator. Its configuration and dataset classes do not run on numpy 2; a mapping
and a small stand-in that holds RecBole's augmented prefixes take their place.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.dataset import DomainAsDataset, interaction
from bench.baselines.recbole_models.recommender import RecBoleRecommender

from bench.learning.training import descend, stopping_score
from bench.plugin import Queries, Task

RECBOLE_BATCHES, OUR_BATCHES = 2, 8
RECBOLE_DEFAULTS = {
    "epochs": 300,
    "learner": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "train_batch_size": 2048,
    "eval_batch_size": 4096,
    "eval_step": 1,
    "stopping_step": 10,
    "valid_metric": "Hit@3",
    "valid_metric_bigger": True,
    "metrics": ["Hit"],  # its NDCG and MRR ask numpy for a name that is gone
    "topk": [3],
    "metric_decimal_place": 4,
    "eval_args": {"mode": "uni29"},
    "single_spec": True,
    "enable_amp": False,
    "enable_scaler": False,
    "worker": 0,
    "train_neg_sample_args": {"distribution": "none", "sample_num": "none"},
    "valid_neg_sample_args": {"distribution": "uniform", "sample_num": 29},
}


class RecBoleData(DomainAsDataset):
    """The stand-in for RecBole's dataset: a table of examples that its loaders index, sort and join."""

    item_feat = None

    def __init__(self, domain: Any, max_length: int, examples: Any) -> None:
        super().__init__(domain, max_length, sequential=True)
        self.examples = examples

    @property
    def inter_feat(self) -> Any:
        return self.examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: Any) -> Any:
        return self.examples[index]

    def join(self, examples: Any) -> Any:
        return examples

    def sort(self, by: str, ascending: bool = True) -> None:
        self.examples.sort(by=by, ascending=ascending)

    def set_field_property(self, *_: Any) -> None:
        """RecBole's loaders declare the columns they add; nothing here reads that."""


class FirstBatches:
    """As much of a loader as is timed, for RecBole's loops, which also ask it for its dataset."""

    def __init__(self, loader: Any, n_batches: int) -> None:
        self.loader, self.n_batches, self._dataset = loader, n_batches, loader._dataset

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(iter(self.loader), self.n_batches)


@dataclass
class Side:
    """What is timed: a call and the share of a whole pass that it does."""

    call: Callable[[], Any]
    share: float = 1.0


@dataclass
class Sides:
    """RecBole's training and validation, and ours, on the task's device."""

    recbole_train: Side
    recbole_validate: Side
    our_train: Side
    our_validate: Side


def both_sides(
    ours: RecBoleRecommender, task: Task, n_recbole: int = RECBOLE_BATCHES, n_ours: int = OUR_BATCHES, **recboles: Any
) -> Sides:
    """Return both sides for a model that is built, not trained, and how many batches each of them runs at once.

    RecBole's trainer writes a log into the working directory.
    """
    ours.fit(task)
    config = recbole_config(ours, task.device, **recboles)
    with zoo.importing_recbole():
        from recbole.data.dataloader import NegSampleEvalDataLoader, TrainDataLoader
        from recbole.sampler import RepeatableSampler
        from recbole.trainer import Trainer

        training = RecBoleData(task.target, 50, DomainAsDataset(task.target, 50, sequential=True).inter_feat)
        validation = RecBoleData(task.target, 50, validation_examples(task.validation, task))
        train_loader = TrainDataLoader(config, training, None, shuffle=True)  # names the columns that BERT4Rec reads
        model = zoo.model_class(ours.model_name)(config, training).to(config["device"])
    sampler = RepeatableSampler(["train", "valid"], validation).set_phase("valid")
    validation_loader = NegSampleEvalDataLoader(config, validation, sampler)
    trainer = Trainer(config, model)
    optimizer = torch.optim.Adam(ours.model.parameters(), 1e-3, fused=True)
    rng = np.random.default_rng(0)
    n_all = -(-task.target.n_users // ours.params.batch_size) * getattr(ours.params, "copies", 1)
    n_recbole, n_ours = min(n_recbole, len(train_loader)), min(n_ours, n_all)
    return Sides(
        Side(
            lambda: trainer._train_epoch(FirstBatches(train_loader, n_recbole), 0),
            n_recbole / len(train_loader),
        ),
        Side(
            lambda: trainer.evaluate(FirstBatches(validation_loader, n_recbole), load_best_model=False),
            min(n_recbole, len(validation_loader)) / len(validation_loader),
        ),
        Side(
            lambda: descend(ours.model, optimizer, itertools.islice(ours.learner.losses(rng), n_ours)),
            n_ours / n_all,
        ),
        Side(lambda: stopping_score(ours.score(task.validation), task.validation_answers)),
    )


def recbole_config(ours: RecBoleRecommender, device: str, **recboles: Any) -> zoo.ModelConfig:
    """Return RecBole's configuration of our model."""
    from recbole.utils import EvaluatorType, InputType, ModelType

    config = zoo.model_config(ours.model_values(), ours.params, device, 0)
    config.update(RECBOLE_DEFAULTS)
    config.update(
        model=ours.model_name,
        MODEL_TYPE=ModelType.SEQUENTIAL,
        MODEL_INPUT_TYPE=InputType.POINTWISE,
        eval_type=EvaluatorType.RANKING,
        checkpoint_dir=".",
        log_wandb=False,
        **recboles,
    )
    return config


def validation_examples(queries: Queries, task: Task) -> Any:
    """RecBole's examples of our validation queries: the history and the positive."""
    rows = np.arange(len(queries))
    positives = queries.candidates[rows, task.validation_answers.positive_column]
    lengths = np.minimum(np.diff(queries.history_indptr), 50)
    padded = np.zeros((len(queries), 50), dtype=np.int64)
    for row in rows:
        padded[row, : lengths[row]] = queries.history(row)[-50:] + 1
    columns = {zoo.USER: queries.users + 1, zoo.ITEMS: padded, zoo.LENGTH: lengths, zoo.ITEM: positives + 1}
    return interaction(**{name: torch.from_numpy(column.astype(np.int64)) for name, column in columns.items()})
