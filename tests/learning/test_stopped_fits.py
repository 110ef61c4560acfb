"""Every training, stopped by a signal at random steps: the next fit continues and scores as an undisturbed one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.files.hashing import derived_seed
from tests.learning.test_tiny_fits import backbones, plain_arithmetic  # noqa: F401
from tests.support.tiny_fits import FITS, CountedSteps, TinyFit, tiny_task

pytestmark = pytest.mark.slow
N_STOPS = 3
EPOCHS = ("epochs", "pretrain_epochs", "source_epochs", "target_epochs", "second_epochs")
FEW_PARTS = {"recformer": {"second_epochs": 3}, "adamerging": {"passes": 3}, "reccocktail": {"passes": 3}}


def longer(fit: TinyFit) -> dict[str, Any]:
    """Return parameters that give each training several epochs."""
    return {name: 3 for name in EPOCHS if fit.params.get(name)} | FEW_PARTS.get(fit.method, {})


@contextmanager
def stopped_at(step: int) -> Iterator[None]:
    """Send Ctrl-C at a step of the optimizers in the block, counted from 0 over all of them."""
    steps = iter(range(step + 1))

    def stop(*_: Any) -> None:
        if next(steps, None) == step:
            signal.raise_signal(signal.SIGINT)

    watched = register_optimizer_step_pre_hook(stop)
    try:
        yield
    finally:
        watched.remove()


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
def test_a_stopped_fit_continues_and_scores_as_an_undisturbed_one(
    fit: TinyFit,
    backbones: dict[str, Path],  # noqa: F811
    plain_arithmetic: None,  # noqa: F811
    tmp_path: Path,
) -> None:
    with CountedSteps() as steps:
        undisturbed = fit.scores(*tiny_task(tmp_path / "one", backbones[fit.backbone]), **longer(fit))
    n_steps = sum(steps.counts)
    rng = np.random.default_rng(derived_seed(0, fit.name))
    for step in sorted({*rng.integers(n_steps, size=N_STOPS - 1).tolist(), n_steps - 1}):
        task, queries = tiny_task(tmp_path / f"stopped at {step}", backbones[fit.backbone])
        with stopped_at(step), pytest.raises(KeyboardInterrupt):
            fit.scores(task, queries, **longer(fit))
        with CountedSteps() as steps:
            resumed = fit.scores(task, queries, **longer(fit))
        np.testing.assert_array_equal(resumed, undisturbed)
    assert sum(steps.counts) < n_steps  # it was stopped at its last step and did not begin again
