"""Our training epochs of SASRec, GRU4Rec and BERT4Rec on Beauty beside RecBole's own, and SASRec's validation pass.

:mod:`tests.benchmarks.recbole_sides` says what runs on RecBole's side, with its default batch sizes. BERT4Rec's batches
are the exception, 256 on both sides: 2,048 would need gigabytes for the logits of masks that are not there. An epoch of
BERT4Rec is 131,413 examples in RecBole and 10 copies of 22,363 histories here. Both sides run a fixed number of batches
in turns, in one process, so that a busy machine slows both, and the times are scaled to whole passes. RecBole switches
anomaly detection on for the whole process when it is imported; here it is off for both sides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines.bert4rec import BERT4Rec
from bench.baselines.gru4rec import GRU4Rec
from bench.baselines.recbole_models.recommender import RecBoleRecommender
from bench.baselines.sasrec import SASRec

from bench.data.prepare import load_domain
from bench.files.store import ArtifactStore
from bench.plugin import Task
from bench.protocol.task import PreparedTask, prepare_task
from bench.spec import ProtocolSpec
from tests.benchmarks.recbole_sides import Side, Sides, both_sides

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # RecBole's loops use several things that numpy and torch are giving up
    pytest.mark.benchmark,
    pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="BENCH_DATA names no folder with the Beauty data"),
]

ROUNDS = 3
TRAIN_RATIO_WANTED, VALIDATION_RATIO_WANTED, RIVALS_RATIO_WANTED = 8, 100, 3
MASKS_AS_RECBOLES = {"transform": "mask_itemseq", "ft_ratio": 0.5, "train_batch_size": 256}


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


@pytest.fixture(scope="module")
def sides(task: Task) -> Sides:
    return both_sides(SASRec(SASRec.Params(epochs=0)), task)


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
