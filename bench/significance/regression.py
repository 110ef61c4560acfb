"""Fit ordinary least squares with standard errors that allow for correlated observations within a cluster.

The results equal those of statsmodels (tested), which is not worth another dependency for one formula.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.significance.tails import student_two_sided


@dataclass(frozen=True)
class Coefficient:
    """The estimated effect of one predictor, given the others."""

    name: str
    value: float
    standard_error: float
    p: float
    """Two-sided p-value from Student's t, with the number of clusters minus one as degrees of freedom."""


@dataclass(frozen=True)
class Regression:
    """A fitted linear model."""

    coefficients: tuple[Coefficient, ...]
    n: int
    n_clusters: int
    r_squared: float
    """Share of the variance explained by the predictors and the group means."""


def least_squares(
    outcome: NDArray[np.float64],
    predictors: Mapping[str, NDArray[np.float64]],
    groups: Sequence[Hashable],
    clusters: Sequence[Hashable],
) -> Regression:
    """Regress an outcome on predictors and one mean per group (fixed effects).

    The standard errors are cluster-robust (Liang and Zeger 1986) with the usual small-sample factor
    G/(G-1)·(n-1)/(n-k).

    Args:
        outcome: Shape (n,).
        predictors: Predictors by name, each of shape (n,).
        groups: The group of each observation; each group has a separate mean.
        clusters: The cluster of each observation; clusters are independent of each other.

    Raises:
        BenchError: there are fewer than two clusters, or too few observations for the predictors, or a predictor is a
            linear combination of others or constant within each group.
    """
    # one column per group replaces a common intercept
    means = [[group == one for group in groups] for one in dict.fromkeys(groups)]
    design = np.column_stack([*predictors.values(), *np.array(means, dtype=np.float64)])
    n, k = design.shape
    members = [np.array([cluster == one for cluster in clusters]) for one in dict.fromkeys(clusters)]
    if len(members) < 2 or n <= k or np.linalg.matrix_rank(design) < k:
        raise BenchError(
            f"{n} observations in {len(members)} clusters are too few to estimate {', '.join(predictors)} and "
            f"{len(means)} means: add runs, or predictors that vary."
        )
    inverse = np.linalg.inv(design.T @ design)
    solution = inverse @ design.T @ outcome
    residuals = outcome - design @ solution
    # residuals are summed within a cluster before they are squared, so they may be correlated within it
    scores = np.array([design[chosen].T @ residuals[chosen] for chosen in members])
    g = len(members)
    covariance = g / (g - 1) * (n - 1) / (n - k) * inverse @ scores.T @ scores @ inverse
    errors = np.sqrt(np.diag(covariance))
    coefficients = tuple(
        Coefficient(name, float(value), float(error), student_two_sided(float(value / error), g - 1))
        for name, value, error in zip(predictors, solution, errors, strict=False)
    )
    return Regression(coefficients, n, g, float(1 - residuals.var() / outcome.var()))
