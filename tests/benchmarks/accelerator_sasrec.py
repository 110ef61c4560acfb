"""Measure SASRec's training epoch on a device, ours beside that of RecBole's own trainer on the same data."""

from __future__ import annotations

import contextlib
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.files.store import ArtifactStore
from bench.plugin import Task
from bench.protocol.task import prepare_task
from bench.spec import ProtocolSpec
from tests.benchmarks.device_measures import timed

if TYPE_CHECKING:
    import torch

    from bench.data.domain import Domain
    from tests.benchmarks.recbole_sides import Side

ALL_BATCHES = 10**6
ROUNDS = 3


def sasrec(domain: Domain, device: torch.device, most_batches: int = ALL_BATCHES) -> dict[str, Any] | None:
    """Return the seconds of an epoch by RecBole's trainer and by ours, the fastest of three; None without RecBole.

    Args:
        domain: What is trained on, all but its validation part.
        device: Where both train.
        most_batches: Number of batches after which either side stops; the times are scaled to a whole epoch.
    """
    if find_spec("recbole") is None:
        return None
    from bench.baselines.sasrec import SASRec

    from tests.benchmarks.recbole_sides import both_sides

    # RecBole's trainer writes its TensorBoard log where it stands
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        store = ArtifactStore(Path(folder))
        prepared = prepare_task(domain, ProtocolSpec(domain.name), store)
        asked, answers = prepared.validation.queries, prepared.validation.answers
        task = Task(prepared.training, asked, answers, "warm", seed=0, artifacts=store, device=device.type)
        sides = both_sides(SASRec(SASRec.Params(epochs=0)), task, most_batches, most_batches)
        theirs, mine = (fastest(side, device) for side in (sides.recbole_train, sides.our_train))
    return {
        "users": prepared.training.n_users,
        "recbole_seconds_per_epoch": theirs,
        "seconds_per_epoch": mine,
        "times_as_fast": theirs / mine,
    }


def fastest(side: Side, device: torch.device) -> float:
    """Return the seconds of a whole epoch of one side."""
    side.call()  # the first call also loads code and fills caches
    return min(timed(side.call, device) for _ in range(ROUNDS)) / side.share
