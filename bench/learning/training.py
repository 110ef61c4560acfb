"""Parts shared by trainings: optimizer steps, validation metric and sample, copies of weights, and seeds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.metrics import Metric, per_user, rank_positive
from bench.plugin import Answers, Queries, Task

STOPPING_METRIC = Metric("ndcg", 3)
"""Metric on the validation candidates used for early stopping."""
GRADIENT_NORM = 1.0
"""Norm to which larger gradients are clipped, if they are clipped at all."""
WEIGHTS_FILE = "model.safetensors"
RECORD_FILE = "training.json"

State = dict[str, Tensor]


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
    for group in optimizer.param_groups:
        group["n_steps"] = 0  # in the group, where a checkpoint finds it

    def before_step(*_: Any) -> None:
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share_of_peak(group["n_steps"])
            group["n_steps"] += 1

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
