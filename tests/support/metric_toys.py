"""Generated values for tests of comparisons."""

from __future__ import annotations

import numpy as np

from bench.metrics import Metric, Ranks, per_user


def metric_values(rng: np.random.Generator, n: int, text: str = "ndcg@5", low: int = 0) -> np.ndarray:
    better = rng.integers(low, 12, n).astype(np.int16)
    tied = rng.choice([0, 0, 0, 2], n).astype(np.int16)
    return per_user(Ranks(better, tied), Metric.parse(text))


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
