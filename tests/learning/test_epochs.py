from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import bench.learning.epochs
from bench.learning.checkpoints import Checkpoint
from bench.learning.epochs import Resumable, TrainingRecord, train_epochs, train_until_no_better
from bench.learning.training import descend, schedule_step_size, seeded
from bench.progress import Steps
from tests.test_progress import Heard


class Counter(nn.Module):
    """A model whose only weight counts its epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.count = nn.Parameter(torch.zeros(1))

    def train_epoch(self) -> float:
        self.count.data += 1
        return self.count.item()


def trained(validation: list[float], epochs: int, patience: int) -> tuple[Counter, TrainingRecord, list[str]]:
    model, lines = Counter(), []
    values = iter(validation)
    record = train_until_no_better(model, model.train_epoch, lambda: next(values), epochs, patience, lines.append)
    return model, record, lines


def test_training_stops_after_patience_epochs_without_a_better_one() -> None:
    _, record, _ = trained([0.1, 0.3, 0.2, 0.3, 0.2, 0.9], epochs=10, patience=3)
    assert record.epochs == 5
    assert record.best_epoch == 2


def test_the_model_is_left_in_its_best_epochs_state() -> None:
    model, _, _ = trained([0.1, 0.3, 0.2, 0.3, 0.2], epochs=5, patience=9)
    assert model.count.item() == 2


def test_training_ends_with_the_last_epoch_allowed() -> None:
    model, record, _ = trained([0.1, 0.2, 0.3], epochs=3, patience=10)
    assert record.epochs == 3
    assert model.count.item() == 3


def test_a_validation_that_is_never_above_zero_keeps_the_first_epoch() -> None:
    model, record, _ = trained([0.0] * 4, epochs=10, patience=3)
    assert (record.best_epoch, model.count.item()) == (1, 1.0)


def test_each_epoch_reports_one_line() -> None:
    _, _, lines = trained([0.1, 0.2, 0.15], epochs=3, patience=10)
    assert len(lines) == 3
    assert lines[2].startswith("epoch 3: loss 3.0000, validation ndcg@3 0.1500 (best was epoch 2)")


def test_the_steps_of_an_epoch_are_told_with_their_number_once_it_is_known(tmp_path: Path) -> None:
    model, heard = nn.Linear(2, 1), Heard()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    resumable = Resumable(Checkpoint(tmp_path / "checkpoint"), optimizer, np.random.default_rng(0))

    def train_epoch() -> float:
        return descend(model, optimizer, (model(torch.ones(1, 2)).square().mean() for _ in range(3)))

    train_until_no_better(model, train_epoch, lambda: 0.5, 3, 9, heard, resumable)
    told = [message for message in heard.messages if isinstance(message, Steps)]
    first = "epoch 1 of at most 3"
    assert told[:4] == [Steps(first, done, None, "steps", n_after=None) for done in range(4)]
    assert told[4] == Steps("validation after epoch 1", 0, n_after=None)
    assert told[5:9] == [Steps("epoch 2 of at most 3", done, 3, "steps", n_after=3) for done in range(4)]
    optimizer.step()
    assert [message for message in heard.messages if isinstance(message, Steps)] == told  # nothing is told any more


def test_a_report_says_why_training_ended_from_the_validation_of_each_epoch() -> None:
    record = TrainingRecord((1.0,) * 7, (0.1, 0.3, *[0.2] * 5), (1.0,) * 7)
    assert record.report().ended == "converged"
    assert record.report(decays=True).ended == "budget"
    assert TrainingRecord((1.0,), (0.1,), (1.0,)).report().ended == "rising"
    assert TrainingRecord((1.0,) * 5, (), (1.0,) * 5).report().ended == "unknown"


Trained = tuple[dict[str, torch.Tensor], TrainingRecord]


@dataclass
class Regression:
    """A training that draws from every generator, with a schedule; it can be stopped before one of its steps."""

    checkpoint: Checkpoint
    stop_before_step: int | None = None
    stopped_by: type[BaseException] = KeyboardInterrupt
    lines: list[str] = field(default_factory=list)

    def run(self, *, validated: bool = True) -> Trained:
        """Train from the same beginning as every other, or from the checkpoint; return the weights and the record."""
        with seeded(3):
            self.model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 1))
            self.rng = np.random.default_rng(5)
            optimizer = torch.optim.Adam(self.model.parameters(), 0.01)
            schedule_step_size(optimizer, lambda step: 1 / (1 + step))
            resumable = Resumable(self.checkpoint, optimizer, self.rng)

            def train_epoch(_: int = 0) -> float:
                return descend(self.model, optimizer, self.losses())

            self.n_steps = 0
            if validated:
                record = train_until_no_better(
                    self.model, train_epoch, self.validate, 6, 3, self.lines.append, resumable
                )
            else:
                record = train_epochs(self.model, train_epoch, 6, self.lines.append, resumable)
        return self.model.state_dict(), record

    def losses(self) -> Iterator[torch.Tensor]:
        for _ in range(4):
            if self.n_steps == self.stop_before_step:
                raise self.stopped_by
            self.n_steps += 1
            noise = torch.from_numpy(np.random.rand(5, 4) + random.random()).float()  # noqa: NPY002
            inputs = noise + torch.from_numpy(self.rng.random((5, 4))).float()
            yield ((self.model(inputs) - inputs.sum(dim=1, keepdim=True)) ** 2).mean()

    def validate(self) -> float:
        with torch.no_grad():
            return -(float(self.model.eval()(torch.ones(1, 4)).item() - 4) ** 2)


def same(
    one: tuple[dict[str, torch.Tensor], TrainingRecord], other: tuple[dict[str, torch.Tensor], TrainingRecord]
) -> bool:
    (weights, record), (others, other_record) = one, other
    assert weights.keys() == others.keys()
    assert (record.losses, record.validation) == (other_record.losses, other_record.validation)
    return all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("step", [2, 9, 17])
def test_a_stopped_training_ends_bit_for_bit_as_an_undisturbed_one(step: int, validated: bool, tmp_path: Path) -> None:
    undisturbed = Regression(Checkpoint(tmp_path / "one")).run(validated=validated)
    checkpoint = Checkpoint(tmp_path / "other")
    stopped = Regression(checkpoint, stop_before_step=step)
    with pytest.raises(KeyboardInterrupt):
        stopped.run(validated=validated)
    n_epochs = step // 4
    says_so = f"stopped; the same command continues after epoch {n_epochs}"
    assert (says_so in stopped.lines) == checkpoint.path.exists() == (n_epochs > 0)
    resumed = Regression(checkpoint)
    assert same(undisturbed, resumed.run(validated=validated))
    assert (f"resuming after epoch {n_epochs}" in resumed.lines) == (n_epochs > 0)
    assert resumed.n_steps == 4 * (undisturbed[1].epochs - n_epochs)


def test_parts_of_one_pass_are_not_called_epochs() -> None:
    lines: list[str] = []
    train_epochs(nn.Linear(1, 1), lambda _: 0.5, 2, lines.append, unit="part")
    assert [line.partition(",")[0] for line in lines] == ["part 1 of 2: loss 0.5000", "part 2 of 2: loss 0.5000"]


def test_a_killed_training_continues_from_what_was_saved_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = Regression(Checkpoint(tmp_path / "one")).run()
    monkeypatch.setattr(bench.learning.epochs, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    killed = Regression(Checkpoint(tmp_path / "other"), stop_before_step=10, stopped_by=MemoryError)
    with pytest.raises(MemoryError):
        killed.run()
    resumed = Regression(killed.checkpoint)
    assert same(undisturbed, resumed.run())
    assert "resuming after epoch 2" in resumed.lines
