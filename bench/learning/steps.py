"""Define the plan of a step-based training (length and learning rate) and its log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from bench.learning.convergence import ending
from bench.learning.training import STOPPING_METRIC
from bench.plugin import Ending, TrainingReport
from bench.progress import Steps


@dataclass(frozen=True)
class StepPlan:
    """Length and learning rate of a training."""

    learning_rate: float
    """Peak learning rate of AdamW."""
    epochs: int
    """Maximum number of epochs, without the decay; 0 leaves everything unchanged."""
    warmup_steps: int = 30
    """Warm-up steps of the learning rate."""
    checks_an_epoch: int = 4
    """Validation checks per epoch."""
    patience: int = 5
    """Consecutive checks without improvement (at least one epoch) before the learning rate decays."""
    decay_share: float = 0.1
    """Number of decay steps, as a fraction of the steps up to the best state; 0 skips the decay."""
    average_steps: int = 0
    """Mean age in steps of the averaged weights that are checked and kept; 0 uses the weights of single steps."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""
    n_steps: int | None = None
    """Exact number of training steps, including the decay; None lets the checks decide."""

    @classmethod
    def of(cls, params: Any, **others: Any) -> Self:
        """Return the plan in a method's parameters, a dataclass with the same field names; ``others`` override them."""
        named = {field.name for field in fields(cls)} & {field.name for field in fields(params)}
        return cls(**{**{name: getattr(params, name) for name in named}, **others})


@dataclass(frozen=True)
class StepLog:
    """Progress of a training."""

    steps_an_epoch: int
    n_steps: int = 0
    n_examples: int = 0
    seconds: float = 0.0
    """Wall-clock seconds, including checks, summed over all processes that worked on it."""
    losses: tuple[float, ...] = ()
    """Mean training loss between consecutive checks."""
    since_check: tuple[float, ...] = ()
    """Loss of each step since the last check."""
    validation: tuple[float, ...] = ()
    """The metric at each check, starting before the first step; empty without checks. If a loss on held-out examples
    chooses the state, only the metric before the first step and that of the kept state."""
    held_out_losses: tuple[float, ...] = ()
    """The loss on held-out examples at each check, starting before the first step; empty if it is not computed."""
    step_of_check: tuple[int, ...] = ()
    """Number of steps taken at each check."""
    decays_from: int | None = None
    """Number of steps taken when the learning rate began to decay; None before."""
    decay_steps: int = 0
    """Number of decay steps."""
    epoch: int = 0
    """The current epoch."""
    batches_taken: int = 0
    """Number of its batches taken so far."""

    @property
    def n_checks(self) -> int:
        """Number of checks so far, including that before the first step."""
        return len(self.step_of_check)

    @property
    def criterion(self) -> tuple[float, ...]:
        """What chooses the state, larger is better: minus the loss on held-out examples, or else the metric.

        The loss is what training minimizes, and on as few queries as a decoder can score it varies far less.
        """
        return tuple(-loss for loss in self.held_out_losses) or self.validation

    @property
    def best_check(self) -> int | None:
        """Index of the first check with the best criterion, whose weights are kept; None without checks."""
        return int(np.argmax(self.criterion)) if self.criterion else None

    @property
    def epochs(self) -> float:
        """Number of epochs completed."""
        return self.n_steps / self.steps_an_epoch

    @property
    def epoch_of_check(self) -> tuple[float, ...]:
        """Epochs completed at each check."""
        return tuple(step / self.steps_an_epoch for step in self.step_of_check)

    @property
    def ended(self) -> Ending:
        """Why the training ended."""
        undecayed_until = math.inf if self.decays_from is None else self.decays_from / self.steps_an_epoch
        return ending(self.criterion, self.epoch_of_check, undecayed_until)

    def steps_of(self, plan: StepPlan) -> Steps:
        """Return how far the epoch is, or the decay, or the training if its length is given."""
        detail = f"loss {self.since_check[-1]:.3f}" if self.since_check else ""
        if plan.n_steps is not None:
            return Steps("training", self.n_steps, plan.n_steps, "steps", detail=detail)
        if self.decays_from is not None:
            n_taken = self.n_steps - self.decays_from
            return Steps("learning rate decays", n_taken, self.decay_steps, "steps", detail=detail)
        epoch, n_taken = divmod(self.n_steps, self.steps_an_epoch)
        at_most = round(self.steps_an_epoch * (plan.epochs * (1 + plan.decay_share) - epoch - 1))
        what = f"epoch {epoch + 1} of at most {plan.epochs}"
        return Steps(what, n_taken, self.steps_an_epoch, "steps", max(0, at_most), detail)

    def report(self, domains: Sequence[str] = ()) -> TrainingReport:
        """Return the training report for a run record, of a training on the target or on the named domains."""
        curves = {f"validation_{STOPPING_METRIC}": self.validation, "losses": self.losses}
        return TrainingReport(
            domains=tuple(domains),
            n_examples=self.n_examples,
            seconds=round(self.seconds, 3),
            epochs=round(self.epochs, 3),
            best_epoch=None if self.best_check is None else round(self.epoch_of_check[self.best_check], 3),
            curves={name: tuple(round(value, 6) for value in values) for name, values in curves.items() if values},
            epoch_of_check=tuple(round(epoch, 6) for epoch in self.epoch_of_check),
            ended=self.ended,
        )
