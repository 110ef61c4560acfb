"""Trained models that are stored; those trained by steps are tested in ``test_stepwise``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bench.files.store import ArtifactStore
from bench.learning.checkpoints import Checkpoint
from bench.learning.epochs import TrainingRecord
from bench.learning.stored import trained_once


def test_a_second_training_with_an_equal_key_is_read_from_the_store(tmp_path: Path) -> None:
    record = TrainingRecord((0.5,), (0.25,), (1.0,))
    first, second, store = nn.Linear(3, 2), nn.Linear(3, 2), ArtifactStore(tmp_path)
    assert trained_once(store, "models", {"seed": 1}, first, lambda _: record) == record
    assert trained_once(store, "models", {"seed": 1}, second, pytest.fail) == record
    assert torch.equal(first.weight, second.weight)


def test_a_training_with_another_key_is_done(tmp_path: Path) -> None:
    records = iter([TrainingRecord((0.5,), (0.25,), (1.0,)), TrainingRecord((0.7,), (0.35,), (1.0,))])
    store = ArtifactStore(tmp_path)
    made = [trained_once(store, "models", {"seed": seed}, nn.Linear(3, 2), lambda _: next(records)) for seed in (1, 2)]
    assert [record.losses for record in made] == [(0.5,), (0.7,)]


def test_weights_that_share_memory_are_stored_too(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    trained_once(ArtifactStore(tmp_path), "models", {}, tied, lambda _: TrainingRecord())
    assert torch.equal(tied[0].weight, tied[1].weight)


def test_a_stored_training_leaves_no_checkpoint(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    places = []

    def train(checkpoint: Checkpoint) -> TrainingRecord:
        places.append(checkpoint.path)
        checkpoint.save({}, {})
        return TrainingRecord()

    trained_once(store, "models", {}, nn.Linear(1, 1), train)
    assert len(places) == 1
    assert not places[0].exists()
