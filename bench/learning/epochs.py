"""Training by epochs until validation stops rising; a stopped training continues from the end of its last epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.learning.checkpoints import Checkpoint, load_optimizer, optimizer_tensors
from bench.learning.convergence import decayed_ending, ending
from bench.learning.generators import other_generators, restore_generators, torch_generators
from bench.learning.training import STOPPING_METRIC, State, state_copy
from bench.plugin import ProgressHook, TrainingReport
from bench.plugin.fit_report import as_tuples
from bench.progress import Note, Steps, tell

SECONDS_BETWEEN_CHECKPOINTS = 60.0
BEST, NOW, MOMENTS, GENERATORS = "best/", "now/", "moments", "generators/"
"""Parts of a checkpoint: the best weights, the current ones, the optimizer's moments and torch's generators."""


@dataclass(frozen=True)
class TrainingRecord:
    """Record of each epoch of a training."""

    losses: tuple[float, ...] = ()
    """Mean training loss per epoch."""
    validation: tuple[float, ...] = ()
    """Validation metric after each epoch; empty if the training is not validated."""
    seconds: tuple[float, ...] = ()
    """Seconds per epoch, without validation."""

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return len(self.losses)

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) whose weights were kept; 0 if there was no validation."""
        return int(np.argmax(self.validation)) + 1 if self.validation else 0

    def followed_by(self, loss: float, validation: Sequence[float], seconds: float) -> TrainingRecord:
        """Return the record with one more epoch; ``validation`` has one value, or none."""
        return TrainingRecord((*self.losses, loss), (*self.validation, *validation), (*self.seconds, seconds))

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


@dataclass(frozen=True)
class Resumable:
    """What is saved besides the model, so that a stopped training can continue."""

    checkpoint: Checkpoint
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    """The generator of batches, negatives and so on; the global ones are saved as well."""


def train_until_no_better(
    model: nn.Module,
    train_epoch: Callable[[], float],
    validate: Callable[[], float],
    epochs: int,
    patience: int,
    progress: ProgressHook,
    resumable: Resumable | None = None,
) -> TrainingRecord:
    """Train until ``patience`` consecutive epochs bring no improvement, then restore the model's best state.

    Args:
        model: Left in the state of its best epoch.
        train_epoch: Trains one epoch and returns its mean loss.
        validate: Returns the validation metric, larger is better.
        epochs: Maximum number of epochs.
        patience: Epochs without a new best before training stops.
        progress: Called with one line per epoch.
        resumable: What else to save; None saves nothing.
    """
    record, best = TrainingRecord(), state_copy(model)
    checkpoints, steps = _Checkpoints(model, resumable, progress), _StepsTold(resumable, progress, epochs, "at most ")
    with checkpoints.saved_if_stopped():
        record, best = checkpoints.resumed() or (record, best)
        while record.epochs < epochs and (not record.epochs or record.epochs - record.best_epoch < patience):
            started = time.perf_counter()
            with steps.of_epoch(record.epochs + 1):
                loss = train_epoch()
            seconds = time.perf_counter() - started
            tell(progress, Steps(f"validation after epoch {record.epochs + 1}", 0, n_after=None))
            record = record.followed_by(loss, [validate()], seconds)
            if record.best_epoch == record.epochs:
                best = state_copy(model)
            progress(_line(record))
            checkpoints.note(record, best)
    model.load_state_dict(best)
    return record


def train_epochs(
    model: nn.Module,
    train_epoch: Callable[[int], float],
    epochs: int,
    progress: ProgressHook,
    resumable: Resumable | None = None,
    *,
    unit: str = "epoch",
) -> TrainingRecord:
    """Train for a fixed number of epochs without validation, and leave the model in its last state.

    Args:
        model: Everything that ``train_epoch`` trains.
        train_epoch: Trains one epoch, given its number counted from 0, and returns its mean loss.
        epochs: Number of epochs.
        progress: Called with one line per epoch.
        resumable: What else to save; None saves nothing.
        unit: What one call of ``train_epoch`` is called in progress messages if it is not a pass over the data.
    """
    record = TrainingRecord()
    checkpoints = _Checkpoints(model, resumable, progress, unit)
    steps = _StepsTold(resumable, progress, epochs, unit=unit)
    with checkpoints.saved_if_stopped():
        record, _ = checkpoints.resumed() or (record, {})
        while record.epochs < epochs:
            started = time.perf_counter()
            with steps.of_epoch(record.epochs + 1):
                loss = train_epoch(record.epochs)
            record = record.followed_by(loss, [], time.perf_counter() - started)
            progress(f"{unit} {record.epochs} of {epochs}: loss {loss:.4f}, {record.seconds[-1]:.1f} s")
            checkpoints.note(record, {})
    return record


@dataclass
class _StepsTold:
    """Tells the steps of the optimizer within each epoch; how many there are is known after the first."""

    resumable: Resumable | None
    progress: ProgressHook
    epochs: int
    at_most: str = ""
    """Said before the number of epochs if training may end earlier."""
    unit: str = "epoch"
    total: int | None = None

    @contextmanager
    def of_epoch(self, epoch: int) -> Iterator[None]:
        """Count the steps taken in the block, which trains this epoch (from 1)."""
        what = f"{self.unit} {epoch} of {self.at_most}{self.epochs}"
        n_after = None if self.total is None else (self.epochs - epoch) * self.total
        done = 0

        def after_step(*_: Any) -> None:
            nonlocal done
            done += 1
            tell(self.progress, Steps(what, done, self.total, "steps", n_after))

        tell(self.progress, Steps(what, 0, self.total, "steps", n_after))
        hook = None if self.resumable is None else self.resumable.optimizer.register_step_post_hook(after_step)
        try:
            yield
        finally:
            if hook is not None:
                hook.remove()
        self.total = done or None


@dataclass
class _Checkpoints:
    """The state after the last epoch: kept in memory, written every so often and when the process is stopped."""

    model: nn.Module
    resumable: Resumable | None
    progress: ProgressHook
    unit: str = "epoch"
    _unsaved: tuple[State, dict[str, Any]] | None = None
    _saved: float = field(default_factory=time.monotonic)

    def note(self, record: TrainingRecord, best: State) -> None:
        """Take the state at the end of an epoch."""
        if self.resumable is None:
            return
        parts = {BEST: best, NOW: state_copy(self.model), GENERATORS: torch_generators()}
        tensors = {prefix + name: tensor for prefix, part in parts.items() for name, tensor in part.items()}
        moments = optimizer_tensors(self.resumable.optimizer, MOMENTS)
        tensors |= {name: tensor.detach().cpu().clone() for name, tensor in moments.items()}
        facts = {
            "record": asdict(record),
            "n_steps": [group.get("n_steps") for group in self.resumable.optimizer.param_groups],
            **other_generators(self.resumable.rng),
        }
        self._unsaved = tensors, facts
        if time.monotonic() - self._saved > SECONDS_BETWEEN_CHECKPOINTS:
            self._save()

    @contextmanager
    def saved_if_stopped(self) -> Iterator[None]:
        """Write the state after the last epoch if Ctrl-C or SIGTERM ends the block."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            n_epochs = self._save()
            if n_epochs:
                tell(self.progress, Note(f"stopped; the same command continues after {self.unit} {n_epochs}"))
            raise

    def resumed(self) -> tuple[TrainingRecord, State] | None:
        """Restore what was saved; return the record and the best state, or None if nothing was saved."""
        saved = None if self.resumable is None else self.resumable.checkpoint.load()
        if saved is None or self.resumable is None:
            return None
        tensors, facts = saved
        record = TrainingRecord(**as_tuples(facts["record"]))
        self.model.load_state_dict(_part(tensors, NOW))
        load_optimizer(self.resumable.optimizer, tensors, MOMENTS)
        for group, n_steps in zip(self.resumable.optimizer.param_groups, facts["n_steps"], strict=True):
            if n_steps is not None:
                group["n_steps"] = n_steps
        restore_generators(_part(tensors, GENERATORS), facts, self.resumable.rng)
        self.progress(f"resuming after {self.unit} {record.epochs}")
        return record, _part(tensors, BEST)

    def _save(self) -> int:
        """Write the state unless it is written already; return after how many epochs it is, 0 if there is none."""
        if self._unsaved is None or self.resumable is None:
            return 0
        tensors, facts = self._unsaved
        self.resumable.checkpoint.save(tensors, facts)
        self._saved = time.monotonic()
        return len(facts["record"]["losses"])


def _part(tensors: State, prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _line(record: TrainingRecord) -> str:
    epoch, best_epoch = record.epochs, record.best_epoch
    best = "best" if best_epoch == epoch else f"best was epoch {best_epoch}"
    return (
        f"epoch {epoch}: loss {record.losses[-1]:.4f}, "
        f"validation {STOPPING_METRIC} {record.validation[-1]:.4f} ({best}), {record.seconds[-1]:.1f} s"
    )
