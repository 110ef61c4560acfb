from __future__ import annotations

import pytest

from bench.plugin.fit_report import Ending
from bench.report.papers.verdict import verdict


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(0.3, "at or above"), (0.26996, "at or above"), (0.269, "within 0.02"), (0.25, "within 0.02"), (0.249, "below")],
)
def test_a_verdict_follows_the_difference(ours: float, expected: str) -> None:
    assert verdict(ours, 0.27) == expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (None, "below"),
        ("converged", "below"),
        ("rising", "below, not converged: validation was still rising"),
        ("budget", "below, not converged: the training budget ran out"),
        ("unknown", "below, not converged: there was no validation"),
    ],
)
def test_a_figure_below_is_no_verdict_on_the_method_until_training_converged(
    ended: Ending | None, expected: str
) -> None:
    assert verdict(0.2, 0.27, ended=ended) == expected
    assert verdict(0.3, 0.27, ended=ended) == "at or above"
