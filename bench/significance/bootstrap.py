"""Bootstrap over users and seeds: the two levels are resampled independently.

A user who is ranked under three seeds is one user, not three. Users are shared by all systems, so that a comparison
stays paired; each system has separate seeds, because nothing ties one system's training to another's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 1_000
"""Number of draws of users, each with a draw of every system's seeds."""
BLOCK = 100
"""Number of draws computed at once, to limit memory."""
DECIMALS = 6
"""Decimals to which resampled means are rounded, because the last digits of a sum may depend on the thread count."""


def resampled_means(
    systems: Sequence[NDArray[np.float64]], rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> list[NDArray[np.float64]]:
    """Return the mean of each system per draw, shape (n_resamples,); a system has shape (n_seeds, n_users).

    Rows and columns are drawn independently (Owen 2007, the pigeonhole bootstrap). The variance of S seeds drawn with
    replacement is too small by a factor (S - 1) / S, which matters for the three seeds of a paper, so their deviations
    are multiplied by the square root of S / (S - 1). For a system with one seed, only users are drawn.

    The difference of two systems' draws is the difference under the same users. Raises ValueError if the systems do not
    have the same users.
    """
    if len({system.shape[1] for system in systems}) > 1:
        raise ValueError(f"expected the same users, got shapes {[system.shape for system in systems]}")
    by_seed = _under_drawn_users(np.concatenate(systems), rng, n_resamples)
    ends = np.cumsum([len(system) for system in systems])[:-1]
    means = [_under_drawn_seeds(part, rng) for part in np.split(by_seed, ends)]
    return [np.round(mean, DECIMALS) for mean in means]


def interval(draws: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of resampled values."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def _under_drawn_users(values: NDArray[np.float64], rng: np.random.Generator, n_resamples: int) -> NDArray[np.float64]:
    """Return the mean of each row (n_rows, n_users) over users drawn with replacement, (n_rows, n_resamples)."""
    n_users = values.shape[1]
    # one product sums the drawn users of all systems: they share the draws, so that comparisons stay paired
    columns = np.ascontiguousarray(values.T)
    blocks = [_user_counts(n_users, size, rng) @ columns for size in _blocks(n_resamples)]
    means: NDArray[np.float64] = np.concatenate(blocks).T / n_users
    return means


def _user_counts(n_users: int, n_resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each user is drawn, shape (n_resamples, n_users)."""
    drawn = rng.integers(0, n_users, (n_resamples, n_users))
    # each draw has a separate range of numbers, so that a single bincount counts for all
    drawn += n_users * np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_users)
    return counts.reshape(n_resamples, n_users).astype(np.float64)


def _under_drawn_seeds(by_seed: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the mean over drawn seeds for each draw of users; ``by_seed`` has shape (n_seeds, n_resamples)."""
    n_seeds, n_resamples = by_seed.shape
    mean: NDArray[np.float64] = by_seed.mean(axis=0)
    if n_seeds == 1:
        return mean
    drawn = rng.multinomial(n_seeds, [1 / n_seeds] * n_seeds, size=n_resamples).T / n_seeds
    deviation: NDArray[np.float64] = (drawn * (by_seed - mean)).sum(axis=0)
    stretched: NDArray[np.float64] = mean + math.sqrt(n_seeds / (n_seeds - 1)) * deviation
    return stretched


def _blocks(n_resamples: int) -> Iterator[int]:
    for start in range(0, n_resamples, BLOCK):
        yield min(BLOCK, n_resamples - start)
