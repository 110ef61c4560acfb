"""Train with early stopping; the best state is kept in memory and trained models are stored under their key."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.files.store import ArtifactStore, read_json, write_json
from bench.learning.convergence import decayed_ending, ending
from bench.metrics import Metric, per_user, rank_positive
from bench.plugin import Answers, ProgressHook, Queries, Task, TrainingReport

STOPPING_METRIC = Metric("ndcg", 3)
"""Metric on the validation candidates used for early stopping."""
GRADIENT_NORM = 1.0
"""Norm to which larger gradients are clipped, if they are clipped at all."""
WEIGHTS_FILE = "model.safetensors"
RECORD_FILE = "training.json"

State = dict[str, Tensor]


@dataclass(frozen=True)
class TrainingRecord:
    """Record of each epoch of a training."""

    losses: tuple[float, ...]
    """Mean training loss per epoch."""
    validation: tuple[float, ...]
    """Validation metric after each epoch."""
    seconds: tuple[float, ...]
    """Seconds per epoch, without validation."""

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return len(self.losses)

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) whose weights were kept; 0 if none was trained."""
        return int(np.argmax(self.validation)) + 1 if self.validation else 0

    def report(self, domains: Sequence[str] = (), *, decays: bool = False) -> TrainingReport:
        """Return the training report for a run record, including why training ended.

        Args:
            domains: Names of the training domains; empty for only the target.
            decays: Whether the learning rate fell to zero over the epochs, so that the end does not mean convergence.
        """
        curves = {f"validation_{STOPPING_METRIC}": self.validation, "losses": self.losses}
        return TrainingReport(
            domains=tuple(domains),
            seconds=round(sum(self.seconds), 3),
            epochs=self.epochs,
            best_epoch=self.best_epoch if self.validation or not self.losses else None,
            curves={name: tuple(round(value, 6) for value in values) for name, values in curves.items() if values},
            ended=(decayed_ending if decays else ending)(self.validation),
        )


def train_until_no_better(
    model: nn.Module,
    train_epoch: Callable[[], float],
    validate: Callable[[], float],
    epochs: int,
    patience: int,
    progress: ProgressHook,
) -> TrainingRecord:
    """Train until ``patience`` consecutive epochs bring no improvement, then restore the model's best state.

    Args:
        model: Left in the state of its best epoch.
        train_epoch: Trains one epoch and returns its mean loss.
        validate: Returns the validation metric, larger is better.
        epochs: Maximum number of epochs.
        patience: Epochs without a new best before training stops.
        progress: Called with one line per epoch.
    """
    losses: list[float] = []
    validation: list[float] = []
    seconds: list[float] = []
    best: State = state_copy(model)
    best_epoch = 0
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        losses.append(train_epoch())
        seconds.append(time.perf_counter() - started)
        validation.append(validate())
        if epoch == 1 or validation[-1] > validation[best_epoch - 1]:
            best, best_epoch = state_copy(model), epoch
        progress(_line(epoch, losses[-1], validation[-1], best_epoch, seconds[-1]))
        if epoch - best_epoch >= patience:
            break
    model.load_state_dict(best)
    return TrainingRecord(tuple(losses), tuple(validation), tuple(seconds))


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, losses: Iterable[Tensor]) -> float:
    """Take one optimizer step per loss as it is drawn from ``losses``, and return the mean loss.

    Raises:
        BenchError: the mean loss is not finite, so the weights are useless.
    """
    model.train()
    seen = []
    for loss in losses:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        # read at the end of the epoch, because reading each loss would make every step wait for an accelerator
        seen.append(loss.detach())
    mean = float(torch.stack(seen).mean()) if seen else 0.0
    if not math.isfinite(mean):
        raise BenchError(f"Training diverged: the mean loss of an epoch is {mean}. Try a lower -p learning_rate.")
    return mean


def clip_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Clip the joint norm of the optimizer's gradients to :data:`GRADIENT_NORM` before every step."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def before_step(*_: Any) -> None:
        torch.nn.utils.clip_grad_norm_(weights, GRADIENT_NORM)

    optimizer.register_step_pre_hook(before_step)


def schedule_step_size(optimizer: torch.optim.Optimizer, share_of_peak: Callable[[int], float]) -> None:
    """Set the learning rate of every optimizer step to a fraction of its current value, the peak.

    Args:
        optimizer: The optimizer to schedule.
        share_of_peak: Returns the fraction for each step, counted from 0.
    """
    peaks = [group["lr"] for group in optimizer.param_groups]
    numbers = itertools.count()

    def before_step(*_: Any) -> None:
        share = share_of_peak(next(numbers))
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share

    optimizer.register_step_pre_hook(before_step)


def keep_rows(optimizer: torch.optim.Optimizer, weights: Tensor, rows: Tensor) -> None:
    """Keep the given rows of a weight unchanged in every step of the optimizer."""
    kept = weights.detach()[rows].clone()

    def put_back(*_: Any) -> None:
        weights.data[rows] = kept

    if len(rows):
        optimizer.register_step_post_hook(put_back)


def stopping_score(scores: NDArray[np.floating], answers: Answers) -> float:
    """Return the mean of :data:`STOPPING_METRIC` for candidate scores of shape (n, n_candidates)."""
    ranks = rank_positive(scores, answers.positive_column)
    return float(per_user(ranks, STOPPING_METRIC, scores.shape[1]).mean())


def validation_sample(
    task: Task, n_queries: int | None, purpose: Sequence[str] = ("validation-sample",)
) -> tuple[Queries, Answers]:
    """Return a seeded sample of the target's validation queries with their answers; see :func:`sample_of`."""
    return sample_of(task.validation, task.validation_answers, n_queries, task.seed, *purpose)


def sample_of(
    queries: Queries, answers: Answers, n_queries: int | None, seed: int, *purpose: str
) -> tuple[Queries, Answers]:
    """Return a seeded sample of queries with their answers, in stored order.

    An ``n_queries`` of 0, None or more than there are returns all. ``purpose`` names the draw, so that each use has a
    separate sample.
    """
    if not n_queries or n_queries >= len(queries):
        return queries, answers
    rng = np.random.default_rng(derived_seed(seed, *purpose))
    # the first rows of one permutation, so that a smaller sample is a subset of a larger one
    rows = np.sort(rng.permutation(len(queries))[:n_queries])
    return queries.take(rows), Answers(answers.positive_column[rows])


def trained_once(
    store: ArtifactStore, kind: str, key: Any, model: nn.Module, train: Callable[[], TrainingRecord]
) -> TrainingRecord:
    """Train the model, or load the stored weights of an earlier training with the same ``key``.

    ``key`` must contain everything that determines the weights. The weights are read back from the store in either
    case, so that exactly the stored weights are scored.
    """

    def make(folder: Path) -> None:
        record = train()
        save_file(state_copy(model), folder / WEIGHTS_FILE)
        write_json(folder / RECORD_FILE, asdict(record))

    folder = store.get_or_make(kind, key, make)
    model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return TrainingRecord(**{name: tuple(values) for name, values in read_json(folder / RECORD_FILE).items()})


def state_copy(model: nn.Module) -> State:
    """Return a copy of the model's state on the CPU, in which no tensors share memory."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global random generators of torch, numpy and Python inside the block, and restore them afterwards.

    Initialization and dropout use torch's generator; some RecBole models also use the other two.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # NumPy's legacy generator takes 32 bits
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)


def _line(epoch: int, loss: float, validation: float, best_epoch: int, seconds: float) -> str:
    best = "best" if best_epoch == epoch else f"best was epoch {best_epoch}"
    return f"epoch {epoch}: loss {loss:.4f}, validation {STOPPING_METRIC} {validation:.4f} ({best}), {seconds:.1f} s"
