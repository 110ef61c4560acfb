"""Read from a run's record how each of its trainings went, and what the second half of it gained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.learning.convergence import gain_of_second_half
from bench.plugin import AdapterReport, Ending, FitReport, TrainingReport


@dataclass(frozen=True)
class TrainingCourse:
    """How one training of a run went; None for values that the record does not state."""

    name: str
    """``model`` for the scored model, or the name of an adapter or an earlier stage."""
    ended: Ending
    """Why it ended."""
    epochs: float | None
    """Number of epochs."""
    best_epoch: float | None
    """Epoch whose weights were kept."""
    validation: float | None
    """Best validation NDCG@3."""
    gain: float | None
    """By how much it exceeds the best of the first half, which is what doubling the budget gained."""


def training_courses(fit: FitReport) -> Iterator[TrainingCourse]:
    """Yield the trainings of a run that took steps: those of adapters, of the scored model, then earlier stages."""
    for role, adapter in fit.adapters.items():
        if adapter.trained:
            yield _of_adapter(f"adapter {role}", adapter)
    for name, training in {"model": fit.training, **fit.stages}.items():
        if training is not None and training.trained:
            yield _of_model(name, training)


def _of_adapter(name: str, adapter: AdapterReport) -> TrainingCourse:
    epochs, validation = adapter.epoch_of_validation, adapter.validation
    best_epoch = epochs[min(adapter.best_check, len(epochs) - 1)] if epochs and adapter.best_check is not None else None
    # where the loss on held-out examples chose the state, the metric was not measured in between
    is_curve = len(validation) >= len(adapter.epoch_of_check)
    gain = gain_of_second_half(validation, epochs) if is_curve and epochs else None
    return TrainingCourse(name, adapter.ended, adapter.epochs, best_epoch, max(validation, default=None), gain)


def _of_model(name: str, training: TrainingReport) -> TrainingCourse:
    validation = training.validation
    gain = gain_of_second_half(validation, training.epoch_of_check or None)
    best = max(validation, default=None)
    return TrainingCourse(name, training.ended, training.epochs, training.best_epoch, best, gain)
