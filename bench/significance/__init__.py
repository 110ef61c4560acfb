"""Test whether a difference between two runs is statistically significant.

``tests`` has the paired tests, Holm's correction and effect sizes on arrays; ``comparison`` applies them to the users
of two runs. ``bootstrap`` computes intervals, ``tails`` p-values of large samples without SciPy, and ``regression`` a
least-squares fit with robust standard errors.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.significance.bootstrap import interval, resampled_means
    from bench.significance.comparison import Comparison, Contrast, compare, contrast, with_holm
    from bench.significance.regression import Regression, least_squares
    from bench.significance.tests import (
        STAR_STYLES,
        TESTS,
        StarStyle,
        Test,
        bootstrap_interval,
        effect_size,
        holm,
        minimum_detectable_difference,
        p_value,
        paired_differences,
        paired_t_test,
    )
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "STAR_STYLES",
    "TESTS",
    "Comparison",
    "Contrast",
    "Regression",
    "StarStyle",
    "Test",
    "bootstrap_interval",
    "compare",
    "contrast",
    "effect_size",
    "holm",
    "interval",
    "least_squares",
    "minimum_detectable_difference",
    "p_value",
    "paired_differences",
    "paired_t_test",
    "resampled_means",
    "with_holm",
]
