"""Train a model once: its weights and the record of its training are stored, and later runs read them back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors.torch import load_file, save_file

from bench.files.store import ArtifactStore, read_json, write_json
from bench.learning.checkpoints import Checkpoint
from bench.learning.epochs import TrainingRecord
from bench.learning.steps import StepLog
from bench.learning.training import RECORD_FILE, WEIGHTS_FILE, state_copy
from bench.plugin.fit_report import as_tuples

if TYPE_CHECKING:
    from torch import nn

    from bench.learning.stepwise import Stepwise

Record = TypeVar("Record", TrainingRecord, StepLog)


def trained_once(
    store: ArtifactStore, kind: str, key: Any, model: nn.Module, train: Callable[[Checkpoint], TrainingRecord]
) -> TrainingRecord:
    """Train the model by epochs, or load the stored weights of an earlier training with the same ``key``.

    ``key`` must contain everything that determines the weights; ``train`` receives the checkpoint. The weights are
    read back from the store in either case, so that exactly the stored weights are scored.
    """
    return _trained_once(store, kind, key, model, train, TrainingRecord)


def trained_by_steps(
    store: ArtifactStore, kind: str, key: Any, model: nn.Module, training: Callable[[Checkpoint], Stepwise]
) -> StepLog:
    """Train the model by steps, or load stored weights as :func:`trained_once` does."""
    return _trained_once(store, kind, key, model, lambda checkpoint: training(checkpoint).run(), StepLog)


def _trained_once(
    store: ArtifactStore,
    kind: str,
    key: Any,
    model: nn.Module,
    train: Callable[[Checkpoint], Record],
    record_class: type[Record],
) -> Record:
    checkpoint = Checkpoint(store.unfinished(kind, key) / "checkpoint.safetensors")

    def make(folder: Path) -> None:
        record = train(checkpoint)
        save_file(state_copy(model), folder / WEIGHTS_FILE)
        write_json(folder / RECORD_FILE, asdict(record))

    folder = store.get_or_make(kind, key, make)
    model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return record_class(**as_tuples(read_json(folder / RECORD_FILE)))
