"""Our training epochs of SASRec, GRU4Rec and BERT4Rec on Beauty beside RecBole's own, and SASRec's validation pass.

RecBole's side is its own code: its data loaders with their collation, its negative sampler, its trainer's epoch and
evaluation loops, its collector and evaluator, with its default batch sizes. Its configuration and dataset classes do
not run on numpy 2; a mapping and a small stand-in that holds RecBole's augmented prefixes take their place. BERT4Rec's
batches are the exception, 256 on both sides: 2,048 would need gigabytes for the logits of masks that are not there. An
epoch of BERT4Rec is 131,413 examples in RecBole and 10 copies of 22,363 histories here. Both sides run a fixed number
of batches in turns, in one process, so that a busy machine slows both, and the times are scaled to whole passes.
RecBole switches anomaly detection on for the whole process when it is imported; here it is off for both sides.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines.bert4rec import BERT4Rec
from bench.baselines.gru4rec import GRU4Rec
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.dataset import DomainAsDataset, interaction
from bench.baselines.recbole_models.recommender import RecBoleRecommender
from bench.baselines.sasrec import SASRec

from bench.data.prepare import load_domain
from bench.files.store import ArtifactStore
from bench.learning.training import descend, stopping_score
from bench.plugin import Queries, Task
from bench.protocol.task import PreparedTask, prepare_task
from bench.spec import ProtocolSpec

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # RecBole's loops use several things that numpy and torch are giving up
    pytest.mark.benchmark,
    pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="BENCH_DATA names no folder with the Beauty data"),
]

ROUNDS = 3
RECBOLE_BATCHES, OUR_BATCHES = 2, 8
TRAIN_RATIO_WANTED, VALIDATION_RATIO_WANTED, RIVALS_RATIO_WANTED = 8, 100, 3
MASKS_AS_RECBOLES = {"transform": "mask_itemseq", "ft_ratio": 0.5, "train_batch_size": 256}
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
    """RecBole's training and validation, and ours."""

    recbole_train: Side
    recbole_validate: Side
    our_train: Side
    our_validate: Side


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedTask:
    cache = tmp_path_factory.mktemp("cache")
    domain = load_domain("beauty", Path(os.environ["BENCH_DATA"]), cache, lambda _line: None)
    return prepare_task(domain, ProtocolSpec("beauty"), ArtifactStore(cache))


@pytest.fixture(scope="module")
def task(prepared: PreparedTask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    folder = tmp_path_factory.mktemp("recbole")
    validation = prepared.validation
    before = Path.cwd()
    os.chdir(folder)  # RecBole's trainer writes its TensorBoard log where it stands
    try:
        yield Task(
            prepared.training, validation.queries, validation.answers, "warm", seed=0, artifacts=ArtifactStore(folder)
        )
    finally:
        os.chdir(before)


def both_sides(ours: RecBoleRecommender, task: Task, **recboles: Any) -> Sides:
    ours.fit(task)
    config = recbole_config(ours, **recboles)
    with zoo.importing_recbole():
        from recbole.data.dataloader import NegSampleEvalDataLoader, TrainDataLoader
        from recbole.sampler import RepeatableSampler
        from recbole.trainer import Trainer

        training = RecBoleData(task.target, 50, DomainAsDataset(task.target, 50, sequential=True).inter_feat)
        validation = RecBoleData(task.target, 50, validation_examples(task.validation, task))
        train_loader = TrainDataLoader(config, training, None, shuffle=True)  # names the columns that BERT4Rec reads
        model = zoo.model_class(ours.model_name)(config, training)
    sampler = RepeatableSampler(["train", "valid"], validation).set_phase("valid")
    validation_loader = NegSampleEvalDataLoader(config, validation, sampler)
    trainer = Trainer(config, model)
    optimizer = torch.optim.Adam(ours.model.parameters(), 1e-3, fused=True)
    rng = np.random.default_rng(0)
    n_our_batches = -(-task.target.n_users // ours.params.batch_size) * getattr(ours.params, "copies", 1)
    return Sides(
        Side(
            lambda: trainer._train_epoch(FirstBatches(train_loader, RECBOLE_BATCHES), 0),
            RECBOLE_BATCHES / len(train_loader),
        ),
        Side(
            lambda: trainer.evaluate(FirstBatches(validation_loader, RECBOLE_BATCHES), load_best_model=False),
            RECBOLE_BATCHES / len(validation_loader),
        ),
        Side(
            lambda: descend(ours.model, optimizer, itertools.islice(ours.learner.losses(rng), OUR_BATCHES)),
            OUR_BATCHES / n_our_batches,
        ),
        Side(lambda: stopping_score(ours.score(task.validation), task.validation_answers)),
    )


@pytest.fixture(scope="module")
def sides(task: Task) -> Sides:
    return both_sides(SASRec(SASRec.Params(epochs=0)), task)


def recbole_config(ours: RecBoleRecommender, **recboles: Any) -> zoo.ModelConfig:
    from recbole.utils import EvaluatorType, InputType, ModelType

    config = zoo.model_config(ours.model_values(), ours.params, "cpu", 0)
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


def seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compared(recbole: Side, ours: Side) -> tuple[float, float]:
    """Return the median scaled seconds of a whole pass of RecBole's and of ours."""
    seconds(ours.call)  # the first call of either side also loads code and fills caches
    seconds(recbole.call)
    pairs = [(seconds(recbole.call) / recbole.share, seconds(ours.call) / ours.share) for _ in range(ROUNDS)]
    theirs, mine = np.median(np.array(pairs), axis=0)
    return float(theirs), float(mine)


def report(what: str, theirs: float, mine: float) -> None:
    line = f"{what}: RecBole {theirs:.1f} s, ours {mine:.2f} s, {theirs / mine:.1f} times as fast"
    print(f"\n{line} (both scaled from {ROUNDS} rounds of a few batches, {torch.get_num_threads()} threads)")


def test_a_training_epoch_is_at_least_8_times_as_fast(sides: Sides) -> None:
    theirs, mine = compared(sides.recbole_train, sides.our_train)
    report("one SASRec training epoch on Beauty", theirs, mine)
    assert theirs / mine >= TRAIN_RATIO_WANTED


def test_a_validation_pass_is_at_least_100_times_as_fast(sides: Sides) -> None:
    theirs, mine = compared(sides.recbole_validate, sides.our_validate)
    report("one validation pass with 29 negatives on Beauty", theirs, mine)
    assert theirs / mine >= VALIDATION_RATIO_WANTED


@pytest.mark.parametrize(("method", "recboles"), [(GRU4Rec, {}), (BERT4Rec, MASKS_AS_RECBOLES)])
def test_a_training_epoch_of_the_others_is_at_least_3_times_as_fast(
    task: Task, method: type[RecBoleRecommender], recboles: dict[str, Any]
) -> None:
    pair = both_sides(method(method.Params(epochs=0)), task, **recboles)
    theirs, mine = compared(pair.recbole_train, pair.our_train)
    report(f"one {method.model_name} training epoch on Beauty", theirs, mine)
    assert theirs / mine >= RIVALS_RATIO_WANTED
