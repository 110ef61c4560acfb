"""Training by steps, on a regression whose true weights are known and on scripted validation curves."""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.learning.averaging import WeightAverage
from bench.learning.checkpoints import Checkpoint
from bench.learning.steps import StepLog, StepPlan
from bench.learning.stepwise import Stepwise
from bench.learning.stored import trained_by_steps
from bench.learning.team import Team
from bench.progress import Steps
from tests.test_progress import Heard

N_BATCHES, BATCH_SIZE = 8, 4
TRUTH = torch.tensor([[2.0, -1.0, 0.5]])
PLAN = StepPlan(learning_rate=0.05, epochs=6, warmup_steps=3, decay_share=0.2)


class KilledError(Exception):
    """Ends a training as a signal would: between two steps."""


class Regression:
    """A linear model, noisy examples, and what each step saw."""

    def __init__(self, values: Sequence[float] | None = None, kill_at: int | None = None) -> None:
        generator = torch.Generator().manual_seed(0)
        self.layer = nn.Linear(3, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.inputs = torch.randn(N_BATCHES * BATCH_SIZE, 3, generator=generator)
        self.outputs = self.inputs @ TRUTH.T + 0.3 * torch.randn(len(self.inputs), 1, generator=generator)
        self.values, self.kill_at = values, kill_at
        self.rates: list[float] = []
        self.begun_from: list[Tensor] = []
        self.weights_at_check: list[Tensor] = []

    def training(self, plan: StepPlan = PLAN, checkpoint: Checkpoint | None = None, *, checks: bool = True) -> Stepwise:
        check = self.check if checks else None
        parameters = list(self.layer.parameters())
        self.stepwise = Stepwise(
            parameters, self.batches, N_BATCHES, self.loss, check, plan, lambda _line: None, checkpoint
        )
        return self.stepwise

    def run(self, plan: StepPlan = PLAN, checkpoint: Checkpoint | None = None, *, checks: bool = True) -> StepLog:
        return self.training(plan, checkpoint, checks=checks).run()

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, int]]:
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(self.inputs)))
        for rows in order.split(BATCH_SIZE):
            yield rows, len(rows)

    def loss(self, rows: Tensor, step: int) -> Tensor:
        if step == self.kill_at:
            raise KilledError
        self.rates.append(self.stepwise.optimizer.param_groups[0]["lr"])
        self.begun_from.append(self.layer.weight.detach().clone())
        noise = 0.1 * torch.randn(1, generator=torch.Generator().manual_seed(step))
        return (self.layer(self.inputs[rows]) - self.outputs[rows] + noise).square().mean()

    def check(self) -> float:
        self.weights_at_check.append(self.layer.weight.detach().clone())
        if self.values is None:
            return -float((self.layer.weight.detach() - TRUTH).square().sum())
        place = len(self.weights_at_check) - 1
        return self.values[place] if place < len(self.values) else 0.0

    def state(self) -> list[Tensor]:
        return [weights.detach().clone() for weights in self.layer.parameters()]


def held_out(
    losses: Sequence[float], checkpoint: Checkpoint | None = None, kill_at: int | None = None
) -> tuple[Regression, StepLog]:
    """Train with the given losses on held-out examples."""
    regression, left = Regression(kill_at=kill_at), iter(losses)
    training = regression.training(dataclasses.replace(PLAN, epochs=50, decay_share=0.0), checkpoint)
    training.held_out_loss = lambda: next(left)
    return regression, training.run()


def same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(first, second, strict=True))


def but_seconds(log: StepLog) -> StepLog:
    return dataclasses.replace(log, seconds=0.0)


def test_the_step_size_rises_stays_and_falls_to_zero() -> None:
    regression = Regression()
    log = regression.run(StepPlan(learning_rate=1.0, epochs=2, warmup_steps=4, decay_share=0.25), checks=False)
    assert regression.rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert regression.rates[4:16] == [1.0] * 12
    assert regression.rates[16:] == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert (log.decays_from, log.decay_steps, log.n_steps) == (16, 4, 20)
    assert log.n_examples == 20 * BATCH_SIZE


@pytest.mark.parametrize(("checks_an_epoch", "n_waited"), [(1, 5 * 8), (2, 5 * 4), (4, 5 * 2), (8, 8)])
def test_patience_is_five_checks_and_an_epoch(checks_an_epoch: int, n_waited: int) -> None:
    """The third check is the best; eight checks an epoch would end patience within an epoch."""
    plan = dataclasses.replace(PLAN, epochs=50, checks_an_epoch=checks_an_epoch, decay_share=0.0)
    log = Regression([0.0, 1.0, 2.0]).run(plan)
    best_step = log.step_of_check[2]
    assert (log.best_check, log.n_steps, log.ended) == (2, best_step + n_waited, "converged")


def test_a_better_check_starts_patience_anew() -> None:
    plan = dataclasses.replace(PLAN, epochs=50, decay_share=0.0)
    log = Regression([0, 1, 0, 0, 0, 0, 2]).run(plan)
    assert log.best_check == 6
    assert log.n_steps == log.step_of_check[6] + 5 * 2


def test_an_equal_check_is_no_better_one() -> None:
    log = Regression([0, 1, 1, 1, 1, 1, 1, 1, 1]).run(dataclasses.replace(PLAN, decay_share=0.0))
    assert (log.best_check, len(log.validation)) == (1, 7)


def test_the_best_state_is_restored() -> None:
    regression = Regression([0.0, 1.0, 3.0])
    log = regression.run()
    assert log.best_check == 2
    assert torch.equal(regression.layer.weight, regression.weights_at_check[2])
    assert not torch.equal(regression.layer.weight, regression.weights_at_check[-1])


def test_the_loss_on_held_out_examples_decides_where_it_is_given() -> None:
    regression, log = held_out([5.0, 4.0, 3.0, 3.5, 3.4, 3.3, 3.2, 3.1, 3.05])
    assert (log.best_check, log.ended, len(log.held_out_losses), log.n_checks) == (2, "converged", 8, 8)
    assert torch.equal(regression.layer.weight, regression.begun_from[log.step_of_check[2]])


def test_of_several_processes_the_first_one_measures_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Team, "of_first", lambda _self, value: value + 1)
    _, log = held_out([5.0, 4.0, 3.0, 3.5, 3.4, 3.3, 3.2, 3.1, 3.05])
    assert log.held_out_losses[:3] == (6.0, 5.0, 4.0)


def test_the_metric_is_then_computed_only_before_training_and_of_the_kept_state() -> None:
    regression, log = held_out([5.0, 4.0, 3.0, 3.5, 3.4, 3.3, 3.2, 3.1, 3.05])
    untrained, kept = regression.weights_at_check
    assert torch.equal(untrained, torch.zeros(1, 3))
    assert torch.equal(kept, regression.layer.weight)
    assert log.validation == pytest.approx([-float((weights - TRUTH).square().sum()) for weights in (untrained, kept)])


def test_the_decay_sets_out_from_the_best_state_and_is_kept_where_it_is_better() -> None:
    regression = Regression([0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0])
    log = regression.run()
    assert log.validation[-1] == 4.0
    assert (log.decays_from, log.decay_steps) == (20, 2)  # a fifth of the ten steps up to the best state
    assert torch.equal(regression.begun_from[20], regression.weights_at_check[5])
    assert torch.equal(regression.layer.weight, regression.weights_at_check[11])
    assert log.ended == "converged"


def test_a_training_that_never_helps_keeps_the_first_state_without_a_decay() -> None:
    regression = Regression([1.0])
    log = regression.run()
    assert (log.best_check, log.decay_steps) == (0, 0)
    assert not regression.layer.weight.any()


@pytest.mark.parametrize(
    ("values", "ended"), [(range(20), "rising"), ([0, 1, 2, 3, 4, 5, 6], "budget"), ([0, 1], "converged")]
)
def test_the_log_says_why_it_ended(values: Sequence[float], ended: str) -> None:
    assert Regression(values).run(dataclasses.replace(PLAN, epochs=2)).ended == ended


def test_the_epochs_are_the_most_that_is_trained() -> None:
    log = Regression(range(100)).run(dataclasses.replace(PLAN, epochs=3, decay_share=0.25))
    assert (log.decays_from, log.n_steps) == (24, 30)
    assert log.epoch_of_check[:5] == (0, 0.25, 0.5, 0.75, 1)
    assert log.epochs == pytest.approx(30 / N_BATCHES)


@pytest.mark.parametrize("n_steps", [1, 7, 25, 80])
@pytest.mark.parametrize("values", [None, [1.0], range(200)], ids=["measured", "falling", "rising"])
def test_a_given_number_of_steps_is_taken_exactly(n_steps: int, values: Sequence[float] | None) -> None:
    regression = Regression(values)
    log = regression.run(dataclasses.replace(PLAN, epochs=2, n_steps=n_steps))
    assert log.n_steps == len(regression.rates) == n_steps
    assert log.decay_steps == round(n_steps / 6)


def test_no_epochs_leave_everything_as_it_is() -> None:
    regression = Regression()
    before = regression.state()
    log = regression.run(dataclasses.replace(PLAN, epochs=0))
    assert (log.n_steps, log.losses, len(log.validation)) == (0, (), 1)
    assert same(regression.state(), before)


def test_without_a_check_the_last_state_is_kept_and_nothing_is_known_of_the_end() -> None:
    regression = Regression()
    log = regression.run(checks=False)
    assert (log.validation, log.best_check, log.ended) == ((), None, "unknown")
    assert not torch.equal(regression.layer.weight, regression.begun_from[-1])
    assert (regression.layer.weight - TRUTH).abs().max() < 0.3
    assert log.losses[-1] < 0.2 * log.losses[0]


def test_averages_are_checked_and_kept_while_training_goes_on_from_the_weights() -> None:
    plan = dataclasses.replace(PLAN, epochs=2, decay_share=0.0)
    alone, averaging = Regression([0, 1, 2, 3, 4, 5, 6, 7, 8]), Regression([0, 1, 2, 3, 4, 5, 6, 7, 8])
    alone.run(plan)
    averaging.run(dataclasses.replace(plan, average_steps=100))
    assert same(averaging.begun_from, alone.begun_from)
    after_steps = [*alone.begun_from[1:], alone.weights_at_check[-1]]
    mean = torch.stack(after_steps).mean(dim=0)  # of all 16 steps, fewer than 100
    torch.testing.assert_close(averaging.weights_at_check[-1], mean)
    assert same([averaging.layer.weight.detach()], [averaging.weights_at_check[-1]])


def test_an_average_is_nearer_to_the_truth_than_single_steps() -> None:
    plan = StepPlan(learning_rate=0.2, epochs=20, decay_share=0.0)
    alone, averaging = Regression(), Regression()
    alone.run(plan, checks=False)
    averaging.run(dataclasses.replace(plan, average_steps=40), checks=False)
    assert averaging.check() > alone.check()


def test_the_decay_sets_out_from_the_best_average_and_averages_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[int] = []
    monkeypatch.setattr(WeightAverage, "add", lambda _self, n_taken: added.append(n_taken))
    regression = Regression([0, 9, 2, 3])
    log = regression.run(dataclasses.replace(PLAN, epochs=1, decay_share=1.0, average_steps=100))
    assert (log.decays_from, log.decay_steps, log.best_check) == (8, 2, 1)
    assert added == [*range(1, 9), 1, 2]
    assert same([regression.begun_from[8]], [regression.weights_at_check[1]])


def test_losses_are_means_between_two_checks() -> None:
    seen: list[float] = []

    class Kept(Regression):
        def loss(self, rows: Tensor, step: int) -> Tensor:
            value = super().loss(rows, step)
            seen.append(value.item())
            return value

    log = Kept().run(dataclasses.replace(PLAN, epochs=1, decay_share=0.0))
    np.testing.assert_allclose(log.losses, np.reshape(seen, (4, 2)).mean(axis=1))


def test_a_training_without_batches_is_refused() -> None:
    regression = Regression()
    training = regression.training()
    training.batches = lambda _epoch: iter(())
    with pytest.raises(BenchError, match="There are no training examples"):
        training.run()


def test_a_loss_that_is_no_number_is_refused() -> None:
    training = Regression().training()
    training.loss = lambda _rows, _step: training.parameters[0].sum() * torch.nan
    with pytest.raises(BenchError, match=r"diverged.*learning_rate"):
        training.run()


@pytest.fixture
def saves_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.learning.stepwise.SECONDS_BETWEEN_CHECKPOINTS", -1.0)


KILLED_AT = sorted(np.random.default_rng(7).choice(np.arange(2, 2 * N_BATCHES), 3, replace=False).tolist())


def killed(checkpoint: Checkpoint, steps: Sequence[int], plan: StepPlan = PLAN, *, checks: bool = True) -> Regression:
    """Train in as many processes as needed, each killed at a step but the last; return the last one's regression."""
    for step in steps:
        with pytest.raises(KilledError):
            Regression(kill_at=step).run(plan, checkpoint, checks=checks)
    last = Regression()
    last.run(plan, checkpoint, checks=checks)
    assert len(last.rates) < last.stepwise.log.n_steps  # it has not begun anew
    return last


@pytest.mark.usefixtures("saves_each_step")
@pytest.mark.parametrize("steps", [[1], *([step] for step in KILLED_AT), KILLED_AT], ids=str)
def test_a_killed_training_ends_bit_for_bit_as_an_undisturbed_one(steps: list[int], tmp_path: Path) -> None:
    undisturbed = Regression()
    log = undisturbed.run()
    assert log.n_steps > 2 * N_BATCHES
    resumed = killed(Checkpoint(tmp_path / "state"), steps)
    assert same(resumed.state(), undisturbed.state())
    assert but_seconds(resumed.stepwise.log) == but_seconds(log)


@pytest.mark.usefixtures("saves_each_step")
def test_a_training_killed_in_its_decay_goes_on_in_it(tmp_path: Path) -> None:
    undisturbed = Regression()
    log = undisturbed.run(dataclasses.replace(PLAN, epochs=2))
    assert log.decay_steps == 3
    resumed = killed(Checkpoint(tmp_path / "state"), [log.decays_from + 1], dataclasses.replace(PLAN, epochs=2))
    assert len(resumed.rates) <= 2
    assert same(resumed.state(), undisturbed.state())
    assert but_seconds(resumed.stepwise.log) == but_seconds(log)


@pytest.mark.usefixtures("saves_each_step")
def test_one_without_checks_one_of_given_steps_and_one_that_averages_go_on_too(tmp_path: Path) -> None:
    of_given_steps, averaging = dataclasses.replace(PLAN, n_steps=30), dataclasses.replace(PLAN, average_steps=6)
    for place, (plan, checks) in enumerate([(PLAN, False), (of_given_steps, True), (averaging, True)]):
        undisturbed = Regression()
        undisturbed.run(plan, checks=checks)
        resumed = killed(Checkpoint(tmp_path / str(place)), [17], plan, checks=checks)
        assert same(resumed.state(), undisturbed.state())


def test_between_two_saves_a_kill_costs_the_steps_since_the_first(tmp_path: Path) -> None:
    """Nothing is saved within a minute, so a training that is killed earlier begins anew, and ends the same."""
    undisturbed, checkpoint = Regression(), Checkpoint(tmp_path / "state")
    undisturbed.run()
    with pytest.raises(KilledError):
        Regression(kill_at=9).run(PLAN, checkpoint)
    assert checkpoint.load() is None
    again = Regression()
    again.run(PLAN, checkpoint)
    assert same(again.state(), undisturbed.state())


@pytest.mark.parametrize(("number", "ending"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_saves_once_more_and_the_training_goes_on_from_there(
    number: int, ending: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes in the middle of a step, within a minute in which nothing would be saved."""
    undisturbed, checkpoint, told = Regression(), Checkpoint(tmp_path / "state"), list[str]()
    undisturbed.run()
    earlier = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    class Interrupted(Regression):
        def loss(self, rows: Tensor, step: int) -> Tensor:
            if step == 9:
                signal.raise_signal(number)
            return super().loss(rows, step)

    training = Interrupted().training(PLAN, checkpoint)
    monkeypatch.setattr(training, "progress", told.append)
    try:
        with pytest.raises(ending):
            training.run()
    finally:
        signal.signal(signal.SIGTERM, earlier)
    assert training.log.n_steps == 10
    assert told[-1] == f"stopped and saved at {training._where()}; the same command continues from there"
    again = Regression()
    again.run(PLAN, checkpoint)
    assert len(again.rates) == again.stepwise.log.n_steps - 10
    assert same(again.state(), undisturbed.state())


@pytest.mark.usefixtures("saves_each_step")
def test_one_chosen_by_the_loss_on_held_out_examples_goes_on_as_well(tmp_path: Path) -> None:
    losses = [5.0, 4.0, 3.0, 3.5, 3.4, 3.3, 3.2, 3.1, 3.05]
    checkpoint = Checkpoint(tmp_path / "state")
    undisturbed, log = held_out(losses)
    with pytest.raises(KilledError):
        held_out(losses, checkpoint, kill_at=7)
    resumed, again = held_out(losses[len(checkpoint.load()[1]["held_out_losses"]) :], checkpoint)
    assert len(resumed.rates) < len(undisturbed.rates)
    assert same(resumed.state(), undisturbed.state())
    assert but_seconds(again) == but_seconds(log)


@pytest.mark.usefixtures("saves_each_step")
def test_a_damaged_checkpoint_begins_anew(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state")
    with pytest.raises(KilledError):
        Regression(kill_at=9).run(PLAN, checkpoint)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-20])
    undisturbed, again = Regression(), Regression()
    undisturbed.run()
    log = again.run(PLAN, checkpoint)
    assert len(again.rates) == log.n_steps
    assert same(again.state(), undisturbed.state())


@pytest.mark.usefixtures("saves_each_step")
def test_what_is_kept_in_a_store_goes_on_where_it_was_killed_and_is_found_again(tmp_path: Path) -> None:
    store, key = ArtifactStore(tmp_path), {"what": "a regression"}

    def made(regression: Regression) -> StepLog:
        training: Callable[[Checkpoint], Stepwise] = lambda checkpoint: regression.training(PLAN, checkpoint)  # noqa: E731
        return trained_by_steps(store, "regressions", key, regression.layer, training)

    with pytest.raises(KilledError):
        made(Regression(kill_at=9))
    assert not store.made("regressions", key)
    unfinished = list((tmp_path / "unfinished").rglob("*.safetensors"))
    assert len(unfinished) == 1
    undisturbed, resumed, found = Regression(), Regression(), Regression()
    log, expected = made(resumed), undisturbed.run()
    assert but_seconds(log) == but_seconds(expected)
    assert same(resumed.state(), undisturbed.state())
    assert not unfinished[0].exists()
    assert made(found) == log
    assert not found.rates
    assert same(found.state(), undisturbed.state())


def test_every_step_is_told_with_what_is_still_to_come() -> None:
    heard, regression = Heard(), Regression()
    training = regression.training(dataclasses.replace(PLAN, epochs=2, decay_share=0.25))
    training.progress = heard
    training.run()
    told = [message for message in heard.messages if isinstance(message, Steps) and message.unit == "steps"]
    assert (told[0].what, told[0].done, told[0].total) == ("epoch 1 of at most 2", 1, N_BATCHES)
    assert told[0].n_after == N_BATCHES + 4
    assert told[0].detail.startswith("loss ")
    assert told[-1].what == "learning rate decays"
    assert {message.what for message in told} >= {"epoch 2 of at most 2"}


def test_a_training_of_given_length_is_told_as_a_whole() -> None:
    heard, regression = Heard(), Regression()
    training = regression.training(dataclasses.replace(PLAN, n_steps=10), checks=False)
    training.progress = heard
    training.run()
    told = [message for message in heard.messages if isinstance(message, Steps)]
    assert {(message.what, message.total) for message in told} == {("training", 10)}
    assert [message.done for message in told] == list(range(1, 10))
