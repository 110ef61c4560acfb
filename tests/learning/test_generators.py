"""The states of random generators, kept as tensors and JSON."""

import json
import random

import numpy as np
import torch

from bench.learning.generators import other_generators, restore_generators, torch_generators
from bench.learning.training import seeded


def draws(rng: np.random.Generator) -> list[float]:
    return [rng.random(), np.random.rand(), random.random(), float(torch.rand(()))]  # noqa: NPY002


def test_restored_generators_draw_the_same_numbers_again() -> None:
    with seeded(7):
        rng = np.random.default_rng(7)
        draws(rng)  # so that the states are not those of the seeds
        of_torch, others = torch_generators(), json.loads(json.dumps(other_generators(rng)))
        drawn = draws(rng)
        assert draws(rng) != drawn
        restore_generators(of_torch, others, rng)
        assert draws(rng) == drawn
