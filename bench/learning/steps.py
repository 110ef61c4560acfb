"""What a training by steps is told, how long and with what step size, and what it says of itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from bench.learning.convergence import ending
from bench.learning.training import STOPPING_METRIC
from bench.plugin import Ending, TrainingReport


@dataclass(frozen=True)
class StepPlan:
    """How long a training goes on, and with what step size."""

    learning_rate: float
    """Peak learning rate of AdamW."""
    epochs: int
    """Epochs at most, the decay not counted; 0 leaves everything as it is."""
    warmup_steps: int = 30
    """Warm-up steps of the learning rate."""
    checks_an_epoch: int = 4
    """Checks of the validation metric in an epoch."""
    patience: int = 5
    """Checks in a row, an epoch or more, that are no better before the step size decays."""
    decay_share: float = 0.1
    """Steps of the decay, as a share of the steps up to the best state; 0 leaves the decay out."""
    weight_decay: float = 0.0
    """AdamW's weight decay."""
    n_steps: int | None = None
    """Train for exactly so many steps, the decay among them; None lets the checks decide."""

    @classmethod
    def of(cls, params: Any, **others: Any) -> Self:
        """Return the plan in a method's parameters, a dataclass with fields of the same names; ``others`` go first."""
        named = {field.name for field in fields(cls)} & {field.name for field in fields(params)}
        return cls(**{**{name: getattr(params, name) for name in named}, **others})


@dataclass(frozen=True)
class StepLog:
    """How far a training has come."""

    steps_an_epoch: int
    n_steps: int = 0
    n_examples: int = 0
    seconds: float = 0.0
    """Wall seconds, checks included, of all processes that worked on it."""
    losses: tuple[float, ...] = ()
    """Mean training loss between two checks."""
    since_check: tuple[float, ...] = ()
    """Loss of each step since the last check."""
    validation: tuple[float, ...] = ()
    """The metric at each check, the first before any step; empty where nothing checks."""
    step_of_check: tuple[int, ...] = ()
    """Steps taken at each check."""
    decays_from: int | None = None
    """Steps taken when the step size began to fall; None before."""
    decay_steps: int = 0
    """Steps over which it falls."""
    epoch: int = 0
    """The epoch whose batches are drawn."""
    batches_taken: int = 0
    """Batches of it that were taken."""

    @property
    def best_check(self) -> int | None:
        """The first check with the highest metric, whose weights are kept; None where nothing checks."""
        return int(np.argmax(self.validation)) if self.validation else None

    @property
    def epochs(self) -> float:
        """Epochs seen."""
        return self.n_steps / self.steps_an_epoch

    @property
    def epoch_of_check(self) -> tuple[float, ...]:
        """Epochs seen at each check."""
        return tuple(step / self.steps_an_epoch for step in self.step_of_check)

    @property
    def ended(self) -> Ending:
        """Why the training ended."""
        undecayed_until = math.inf if self.decays_from is None else self.decays_from / self.steps_an_epoch
        return ending(self.validation, self.epoch_of_check, undecayed_until)

    def report(self, domains: Sequence[str] = ()) -> TrainingReport:
        """Return what a run record states of this training, on the target or on the named domains."""
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
