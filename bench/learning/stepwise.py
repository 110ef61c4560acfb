"""Train any model by steps until validation stops improving, with checks within an epoch and a short final decay.

The learning rate rises over a few steps and stays at its peak until ``patience`` consecutive checks, over at least one
epoch, were not better, or the epochs run out. So no length has to be guessed, and a lack of improvement is never caused
by a learning rate that fell to zero. Then training continues from the best state for some steps while the learning rate
falls to zero, followed by another check. With ``average_steps``, checks use the running average of the weights, and the
best average is kept.

An interrupted training resumes from its last checkpoint and ends with the same weights, bit for bit on a CPU with the
same number of threads, because random draws depend only on the seed and on the epoch or step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.learning.averaging import WeightAverage
from bench.learning.checkpoints import Checkpoint, load_optimizer, optimizer_tensors
from bench.learning.convergence import EPOCHS_WITHOUT_GAIN
from bench.learning.freed_memory import KeptMemory, keep_freed_memory
from bench.learning.steps import StepLog, StepPlan
from bench.learning.stopping import Stop, held_back
from bench.learning.team import ALONE, Team
from bench.learning.training import STOPPING_METRIC, clip_gradients
from bench.plugin import ProgressHook
from bench.plugin.fit_report import as_tuples
from bench.progress import Note, Steps, tell

SECONDS_BETWEEN_CHECKPOINTS = 60.0
BEST, NOW, AVERAGE, MOMENTS = "best", "now", "average", "moments"
"""Parts of a checkpoint: the best weights, the current and the averaged weights, and the optimizer's moments."""

UNREAD_LOSSES = 50
"""Steps after which an accelerator's losses are read, for which the CPU must wait until it has computed them."""
SECONDS_BETWEEN_READINGS = 10.0
"""Time after which they are read even after fewer steps, so that the progress shows them."""

Batches = Callable[[int], Iterator[tuple[Any, int]]]
"""Yields the batches of an epoch (from 0), each with its number of examples; deterministic per epoch."""
BatchLoss = Callable[[Any, int], Tensor]
"""Returns the mean loss of a batch or of a part of it, a scalar, given the number of the step (from 0)."""
Parts = Callable[[Any], Iterable[tuple[Any, float]]]
"""Divides a batch into parts and their shares: the batch's mean loss is the sum of share · mean loss of the part."""


def undivided(batch: Any) -> Iterable[tuple[Any, float]]:
    """Return the whole batch as its only part."""
    return ((batch, 1.0),)


@dataclass
class Stepwise:
    """A step-based training; :meth:`run` leaves the parameters in their best state."""

    parameters: Sequence[nn.Parameter]
    batches: Batches
    n_batches: int
    """Number of steps that count as an epoch, about its number of batches."""
    loss: BatchLoss
    check: Callable[[], float] | None
    """Returns the validation metric, larger is better; None skips checks and keeps the last state."""
    plan: StepPlan
    progress: ProgressHook
    checkpoint: Checkpoint | None = None
    parts: Parts = undivided
    """Gradients are computed part by part and added up, so that only one part's graph is in memory."""
    team: Team = ALONE
    """The processes that share the parts of each batch."""
    held_out_loss: Callable[[], float] | None = None
    """Returns the loss on held-out examples; if given, the state with the lowest one is kept. The metric, which takes
    a decoder many times as long, is then only computed before the first step and of the kept state."""

    def run(self) -> StepLog:
        """Train, or resume where an earlier process was stopped.

        Raises:
            BenchError: there are no batches, or the loss is not finite.
        """
        keep_freed_memory()
        self.log = StepLog(self.n_batches)
        decay, self.device = self.plan.weight_decay, self.parameters[0].device
        self._unread: list[Tensor] = []
        self._memory = KeptMemory()
        # a fused step updates all parameters in a few launches, which on an accelerator are what it waits for
        fused = True if self.device.type == "cuda" else None
        self.optimizer = torch.optim.AdamW(self.parameters, lr=self.plan.learning_rate, weight_decay=decay, fused=fused)
        clip_gradients(self.optimizer)
        self.best = [weights.detach().clone() for weights in self.parameters]
        self._average = WeightAverage(self.parameters, self.plan.average_steps) if self.plan.average_steps else None
        self._began = self._saved = self._read = time.monotonic()
        # the untrained state is checked as well, so that a training that only makes it worse returns it
        if not self._resumed():
            self._look()
        with nullcontext(Stop()) if self.checkpoint is None else held_back() as stop:
            self._train(stop)
        self._read_losses()
        if self.check is None and self._average is not None:
            self._put(self._average.weights)
        if self.check is not None:
            self._put(self.best)
            if self.held_out_loss is not None:
                untrained, kept = self.log.validation[0], self._metric(self.check)
                self.log = replace(self.log, validation=(untrained, kept))
        self.log = replace(self.log, seconds=self._seconds())
        return self.log

    def _train(self, stop: Stop) -> None:
        """Take steps until training ends or a signal arrives, in which case the state is saved once more."""
        # a training that was stopped at its last step is finished when it resumes
        is_trained = self.plan.epochs > 0 and not self._is_finished()
        for batch, n_examples in self._stream() if is_trained else ():
            self._step(batch, n_examples)
            if self._is_check_due():
                self._look()
            if self._may_decay():
                self._begin_decay()
            stop.signal = self.team.highest(stop.signal or 0) or None
            if stop.signal is not None:
                self.save()
                said = f"stopped and saved at {self._where()}; the same command continues from there"
                tell(self.progress, Note(said))
                break
            if self._is_finished():
                break
            self._report()

    def _stream(self) -> Iterator[tuple[Any, int]]:
        """Yield the batches epoch by epoch, starting at the position in the log."""
        for epoch in count(self.log.epoch):
            self.log = replace(self.log, epoch=epoch)
            for batch in islice(self.batches(epoch), self.log.batches_taken, None):
                self.log = replace(self.log, batches_taken=self.log.batches_taken + 1)
                yield batch
            if not self.log.batches_taken:
                raise BenchError("There are no training examples.")
            self.log = replace(self.log, batches_taken=0)

    def _step(self, batch: Any, n_examples: int) -> None:
        log = self.log
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * self._share_of_peak()
        self.optimizer.zero_grad(set_to_none=True)
        parts = self.team.own(list(self.parts(batch)))
        loss = sum((self._descend(*part) for part in parts), start=torch.zeros(()))
        self._unread.append(self.team.add_up(self.parameters, loss))
        self.optimizer.step()
        self._memory.after_step()
        self.log = replace(log, n_steps=log.n_steps + 1, n_examples=log.n_examples + n_examples)
        if self._average is not None:
            self._average.add(self.log.n_steps - (self.log.decays_from or 0))
        is_overdue = time.monotonic() - self._read > SECONDS_BETWEEN_READINGS
        if self.device.type == "cpu" or is_overdue or len(self._unread) >= UNREAD_LOSSES:
            self._read_losses()

    def _descend(self, part: Any, share: float) -> Tensor:
        """Add the gradient of a part's share of the loss, and return that share."""
        loss = self.loss(part, self.log.n_steps).mul(share)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _read_losses(self) -> None:
        """Append the losses of the latest steps to the log.

        Raises:
            BenchError: a loss is not finite.
        """
        values = torch.stack(self._unread).tolist() if self._unread else []
        self._unread, self._read = [], time.monotonic()
        for value in values:
            if not math.isfinite(value):
                raise BenchError(f"Training diverged: the loss of a step is {value}. Try a lower -p learning_rate.")
        self.log = replace(self.log, since_check=(*self.log.since_check, *values))

    def _share_of_peak(self) -> float:
        """Return the learning rate of the next step as a fraction of the peak."""
        log, rising = self.log, max(1, self.plan.warmup_steps)
        if log.decays_from is None:
            return min(1.0, (log.n_steps + 1) / rising)
        # + 1 in the denominator, so that the last step is small but not of size zero
        return 1.0 - (log.n_steps - log.decays_from + 1) / (log.decay_steps + 1)

    def _is_check_due(self) -> bool:
        log = self.log
        if log.decays_from is not None:
            return log.n_steps == log.decays_from + log.decay_steps
        return log.n_steps % max(1, self.n_batches // self.plan.checks_an_epoch) == 0

    def _look(self) -> None:
        """Record the loss and what chooses the state, and keep the weights if they are the best so far."""
        self._read_losses()
        self._memory.give_back()
        log = self.log
        if log.since_check:
            log = replace(log, losses=(*log.losses, float(np.mean(log.since_check))), since_check=())
        if self.check is not None:
            with nullcontext() if self._average is None else self._average.in_use():
                log = self._checked(log, self.check)
            self.progress(f"{self._where()}: {_in_words(log)}")
        self.log = log
        self._memory.give_back()

    def _checked(self, log: StepLog, check: Callable[[], float]) -> StepLog:
        """Return the log with what chooses the state; keep the weights if they are the best so far."""
        log = replace(log, step_of_check=(*log.step_of_check, log.n_steps))
        if self.held_out_loss is None or not log.validation:
            log = replace(log, validation=(*log.validation, self._metric(check)))
        if self.held_out_loss is not None:
            # each process computes it, and its last bits may differ
            held_out_loss = self.team.of_first(self.held_out_loss())
            log = replace(log, held_out_losses=(*log.held_out_losses, held_out_loss))
        if log.best_check == log.n_checks - 1:
            self.best = [weights.detach().clone() for weights in self.parameters]
        return log

    def _metric(self, check: Callable[[], float]) -> float:
        tell(self.progress, Steps(f"validation at {self._where()}", 0, n_after=None))
        return check()

    def _may_decay(self) -> bool:
        """Return whether training at the peak learning rate has lasted long enough."""
        log, plan = self.log, self.plan
        if log.decays_from is not None:
            return False
        if plan.n_steps is not None:
            # after n steps the decay takes decay_share · n steps, so that both together are n_steps
            return log.n_steps >= plan.n_steps - round(plan.n_steps * plan.decay_share / (1 + plan.decay_share))
        if log.n_steps >= plan.epochs * self.n_batches:
            return True
        if log.best_check is None:
            return False
        n_checks = log.n_checks - 1 - log.best_check
        n_epochs = log.epoch_of_check[-1] - log.epoch_of_check[log.best_check]
        return n_checks >= plan.patience and n_epochs >= EPOCHS_WITHOUT_GAIN

    def _begin_decay(self) -> None:
        """Return to the best state and start the decay of the learning rate."""
        self._read_losses()
        if self.log.since_check:
            self._look()
        log, plan = self.log, self.plan
        n_before = log.n_steps if log.best_check is None else log.step_of_check[log.best_check]
        n_steps = round(plan.decay_share * n_before) if plan.n_steps is None else plan.n_steps - log.n_steps
        if self.check is not None:
            self._put(self.best)
            if self._average is not None:
                self._average = WeightAverage(self.parameters, plan.average_steps)
        self.log = replace(log, decays_from=log.n_steps, decay_steps=n_steps)

    def _is_finished(self) -> bool:
        log = self.log
        return log.decays_from is not None and log.n_steps >= log.decays_from + log.decay_steps

    def _put(self, weights: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.parameters, weights, strict=True):
            parameter.data.copy_(value)

    def _report(self) -> None:
        """Tell the progress, and save a checkpoint at intervals."""
        tell(self.progress, self.log.steps_of(self.plan))
        now = time.monotonic()
        if now - self._saved > SECONDS_BETWEEN_CHECKPOINTS:
            self._saved = now
            self.save()

    def save(self) -> None:
        """Write a checkpoint, if there is a place for it."""
        if self.checkpoint is None or not self.team.is_first:
            return
        self._read_losses()
        parts = {BEST: self.best, NOW: [weights.data for weights in self.parameters]}
        if self._average is not None:
            parts[AVERAGE] = self._average.weights
        weights = {f"{part}/{place}": tensor for part, tensors in parts.items() for place, tensor in enumerate(tensors)}
        moments = optimizer_tensors(self.optimizer, MOMENTS)
        self.log = replace(self.log, seconds=self._seconds())
        self.checkpoint.save({**weights, **moments}, asdict(self.log))

    def _resumed(self) -> bool:
        """Resume from a saved state; return whether there was one."""
        saved = None if self.checkpoint is None else self.checkpoint.load()
        if saved is None:
            return False
        tensors, facts = saved
        self.log = StepLog(**as_tuples(facts))
        self.best, now = self._part(tensors, BEST), self._part(tensors, NOW)
        self._put(now)
        if self._average is not None:
            self._average.weights = self._part(tensors, AVERAGE)
        load_optimizer(self.optimizer, tensors, MOMENTS)
        self.progress(f"resuming from {self._where()}")
        return True

    def _part(self, tensors: Mapping[str, Tensor], part: str) -> list[Tensor]:
        """Return the weights of one part of a checkpoint."""
        return [tensors[f"{part}/{place}"].to(self.device) for place in range(len(self.parameters))]

    def _seconds(self) -> float:
        """Return the wall-clock seconds so far, and restart the clock."""
        now, before = time.monotonic(), self._began
        self._began = now
        return self.log.seconds + now - before

    def _where(self) -> str:
        return f"step {self.log.n_steps:,}, epoch {self.log.epochs:.2f}"


def _in_words(log: StepLog) -> str:
    """Return the criterion at the last check, with the best one before it."""
    values = log.held_out_losses or log.validation
    what = "loss on held-out examples" if log.held_out_losses else f"validation {STOPPING_METRIC}"
    is_best = log.best_check == log.n_checks - 1
    return f"{what} {values[-1]:.4f}" + (" (best)" if is_best else f" (best was {values[log.best_check or 0]:.4f})")
