from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from statsmodels.regression.linear_model import OLS

from bench.errors import BenchError
from bench.significance.regression import least_squares


def sample(n: int = 60, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    predictors = {"size": rng.normal(size=n), "length": rng.normal(size=n)}
    return 2 * predictors["size"] - predictors["length"] + 5 + rng.normal(size=n), predictors


def test_one_predictor_and_one_mean_are_a_straight_line() -> None:
    outcome, predictors = sample()
    line = scipy.stats.linregress(predictors["size"], outcome)
    found = least_squares(outcome, {"size": predictors["size"]}, [0] * 60, range(60))
    assert found.coefficients[0].value == pytest.approx(line.slope)
    assert found.r_squared == pytest.approx(line.rvalue**2)
    assert (found.n, found.n_clusters) == (60, 60)


def test_clusters_of_one_give_the_heteroscedasticity_robust_errors() -> None:
    outcome, predictors = sample()
    found = least_squares(outcome, predictors, [0] * 60, range(60))
    design = np.column_stack([*predictors.values(), np.ones(60)])
    inverse = np.linalg.inv(design.T @ design)
    residuals = outcome - design @ inverse @ design.T @ outcome
    hc1 = 60 / 57 * inverse @ (design.T * residuals**2) @ design @ inverse
    for place, one in enumerate(found.coefficients):
        assert one.standard_error == pytest.approx(np.sqrt(hc1[place, place]))
        assert one.p == pytest.approx(2 * scipy.stats.t.sf(abs(one.value / one.standard_error), 59))
    assert found.coefficients[0].value == pytest.approx(2, abs=0.4)


def test_clustered_errors_and_p_values_agree_with_statsmodels() -> None:
    outcome, predictors = sample()
    groups, clusters = [number % 3 for number in range(60)], [number // 5 for number in range(60)]
    found = least_squares(outcome, predictors, groups, clusters)
    design = np.column_stack([*predictors.values(), np.eye(3)[groups]])
    reference = OLS(outcome, design).fit(cov_type="cluster", cov_kwds={"groups": np.array(clusters)}, use_t=True)
    assert [one.value for one in found.coefficients] == pytest.approx(reference.params[:2])
    assert [one.standard_error for one in found.coefficients] == pytest.approx(reference.bse[:2])
    assert [one.p for one in found.coefficients] == pytest.approx(reference.pvalues[:2])


def test_observations_said_twice_are_no_more_certain() -> None:
    outcome, predictors = sample(20)
    once = least_squares(outcome, predictors, [0] * 20, range(20))
    twice = least_squares(
        np.tile(outcome, 2),
        {name: np.tile(values, 2) for name, values in predictors.items()},
        [0] * 40,
        [*range(20)] * 2,
    )
    for one, other in zip(once.coefficients, twice.coefficients, strict=True):
        assert other.value == pytest.approx(one.value)
        assert other.standard_error == pytest.approx(one.standard_error, rel=0.1)


def test_what_sets_groups_apart_is_not_laid_at_a_predictors_door() -> None:
    outcome, predictors = sample()
    groups = [number % 3 for number in range(60)]
    shifted = outcome + 100 * np.array(groups)
    moved = {**predictors, "length": predictors["length"] + 7 * np.array(groups)}
    plain = least_squares(outcome, predictors, groups, range(60))
    found = least_squares(shifted, moved, groups, range(60))
    assert found.coefficients[0].value == pytest.approx(plain.coefficients[0].value)
    assert found.coefficients[1].value == pytest.approx(plain.coefficients[1].value)


@pytest.mark.parametrize(
    ("n", "clusters", "change"),
    [
        (60, [0] * 60, {}),
        (3, [0, 1, 2], {}),
        (60, range(60), {"length": np.ones(60)}),
    ],
)
def test_what_cannot_be_told_apart_is_refused(n: int, clusters, change) -> None:
    outcome, predictors = sample(n)
    with pytest.raises(
        BenchError, match=f"{n} observations in .* clusters are too few to estimate size, length and 1 means"
    ):
        least_squares(outcome, {**predictors, **change}, [0] * n, clusters)
