"""Fit the temperature by which scores are divided to become calibrated logits, with a line search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

LOWEST, HIGHEST = 1e-3, 1e2


def fitted_temperature(scores: NDArray[np.floating], positive_column: NDArray[np.int64]) -> float:
    """Return the temperature that minimizes the cross-entropy of the positives (Guo et al. 2017, "On Calibration").

    Args:
        scores: Shape (n, n_candidates).
        positive_column: Column of each row's positive, shape (n,).
    """
    wide = scores.astype(np.float64)
    # the positives enter linearly in 1 / temperature, so the search needs only their mean
    positive = wide[np.arange(len(wide)), positive_column].mean()

    def cross_entropy(logarithm: float) -> float:
        temperature = np.exp(logarithm)
        return float(logsumexp(wide / temperature, axis=1).mean() - positive / temperature)

    # on a logarithmic scale, because temperatures differ by factors
    found = minimize_scalar(cross_entropy, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))
