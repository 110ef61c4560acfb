"""Marks of one column: best, second, star, letters, and each row's difference from the best."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import derived_seed
from bench.metrics import same_metric
from bench.report.tables.table import Cell, OverBaseline
from bench.significance.bootstrap import interval
from bench.significance.comparison import Contrast, contrast, seeds_t_test
from bench.significance.tests import Distinct, bootstrap_interval, holm, p_value, paired_differences

if TYPE_CHECKING:
    from bench.report.tables.caption import Star

EQUAL_WITHIN = 1e-12
"""Means this close get the same mark."""
N_RESAMPLES = 2_000
"""Bootstrap draws for the interval of a difference; a table has dozens of these, 'bench compare' uses more draws."""


@dataclass(frozen=True, eq=False)
class Column:
    """One metric of one column group, row by row."""

    metric: str
    cells: tuple[Cell, ...]
    values: tuple[NDArray[np.float64] | None, ...]
    """Per-user values, mean over seeds, shape (n_users,); None for a row without runs."""
    draws: tuple[NDArray[np.float64] | None, ...] | None = None
    """Means over resampled users and seeds, shape (n_resamples,); None if every row has one seed."""
    seed_means: tuple[NDArray[np.float64] | None, ...] = ()
    """Mean over users of each seed, shape (n_seeds,); None for a row without runs."""

    def differences(self, first: int, second: int) -> Distinct:
        """Return the per-user differences of two rows."""
        return paired_differences(_present(self.values[first]), _present(self.values[second]))

    def interval(self, first: int, second: int) -> tuple[float, float]:
        """Return the 95% CI of the mean difference of two rows, over users or over users and seeds."""
        if self.draws is not None:
            return interval(_present(self.draws[first]) - _present(self.draws[second]))
        rng = np.random.default_rng(derived_seed(0, "difference", same_metric(self.metric), str(first), str(second)))
        return bootstrap_interval(self.differences(first, second), rng, n_resamples=N_RESAMPLES)

    def contrast(self, first: int, second: int) -> Contrast:
        """Return the difference of two rows with effect size and power."""
        return contrast(self.differences(first, second), *self.interval(first, second))

    def p(self, first: int, second: int, star: Star) -> float:
        """Return the p-value of the table's test of two rows."""
        rng = np.random.default_rng(derived_seed(0, "star", same_metric(self.metric), str(second)))
        return p_value(star.test, self.differences(first, second), rng)

    def holds_over_seeds(self, first: int, second: int, level: float) -> bool:
        """Whether the difference of two rows also holds over seeds; True if every row has one seed.

        The interval over users and seeds must exclude zero, and a t-test on the means of the seeds must be
        significant: resampling three seeds never gives a result worse than the worst seed three times, so the
        interval alone is too narrow.
        """
        if self.draws is None:
            return True
        p = seeds_t_test(_present(self.seed_means[first]), _present(self.seed_means[second]))
        return self.interval(first, second)[0] > 0 and (p is None or p < level)


def row_letters(takes_part: Sequence[bool]) -> list[str]:
    """Return a letter for each ranked row (numbers if there are more than 26), and an empty string for the others."""
    n = sum(takes_part)
    names = iter(string.ascii_lowercase if n <= len(string.ascii_lowercase) else map(str, range(1, n + 1)))
    return [next(names) if does else "" for does in takes_part]


def marked(column: Column, takes_part: Sequence[bool], star: Star, ours: Sequence[bool] = ()) -> list[Cell]:
    """Mark best and second among the ranked rows, and significant differences.

    Holm's correction is applied to the comparisons of the best row with every other, or to all pairs if rows have
    letters. If the star is for rows that are ours, it has its own correction, over the comparisons of these rows with
    all others. These tests are over users; with several seeds, a difference must also hold over seeds.

    Args:
        column: The cells and their values per user.
        takes_part: Whether each row is ranked.
        star: The test, and what is marked.
        ours: Whether each row is ours; empty if none is.
    """
    cells = list(column.cells)
    rivals = [row for row, cell in enumerate(cells) if takes_part[row] and cell.value is not None]
    if len(rivals) < 2:
        return cells
    best = _highest(cells, rivals)
    second = _highest(cells, [row for row in rivals if row not in best])
    if star.applies_to(column.metric):
        pairs = _all_pairs(cells, rivals) if star.style == "letters" else _against_best(best, rivals)
        tested = _tested(column, pairs, star)
        if len(best) == 1:
            _put_contrasts(cells, column, best[0], rivals, tested)
            is_ahead = all(tested[best[0], row].is_different for row in second)
            cells[best[0]] = replace(cells[best[0]], starred=is_ahead and star.style == "star")
        if star.style == "letters":
            _put_letters(cells, row_letters(takes_part), tested)
        if star.style == "ours":
            _put_stars_of_ours(cells, column, [row for row in rivals if ours[row]], rivals, star)
    for row in best:
        cells[row] = replace(cells[row], best=True)
    for row in second:
        cells[row] = replace(cells[row], second=True)
    return cells


@dataclass(frozen=True)
class _Tested:
    p: float
    p_corrected: float
    family_size: int
    is_different: bool


def _tested(column: Column, pairs: Sequence[tuple[int, int]], star: Star) -> dict[tuple[int, int], _Tested]:
    """Test pairs of rows of a column; a pair is different over seeds only if its first row is higher."""
    p_values = [column.p(*pair, star) for pair in pairs]
    return {
        pair: _Tested(p, corrected, len(pairs), corrected < star.level and column.holds_over_seeds(*pair, star.level))
        for pair, p, corrected in zip(pairs, p_values, holm(p_values), strict=True)
    }


def _against_best(best: list[int], rivals: list[int]) -> list[tuple[int, int]]:
    return [(best[0], row) for row in rivals if row != best[0]] if len(best) == 1 else []


def _all_pairs(cells: Sequence[Cell], rivals: list[int]) -> list[tuple[int, int]]:
    ordered = sorted(rivals, key=lambda row: cells[row].value or 0.0, reverse=True)
    return [(first, second) for place, first in enumerate(ordered) for second in ordered[place + 1 :]]


def _put_contrasts(
    cells: list[Cell], column: Column, best: int, rivals: list[int], tested: dict[tuple[int, int], _Tested]
) -> None:
    for row in rivals:
        if row != best:
            found = tested[best, row]
            cells[row] = replace(
                cells[row],
                p=found.p,
                p_corrected=found.p_corrected,
                family_size=found.family_size,
                behind_best=column.contrast(best, row),
            )


def _put_stars_of_ours(cells: list[Cell], column: Column, ours: list[int], rivals: list[int], star: Star) -> None:
    """Star our rows that are significantly better than the best baseline."""
    baselines = [row for row in rivals if row not in ours]
    tested = _tested(column, [(own, other) for own in ours for other in baselines], star)
    for own in ours if baselines else []:
        top = _highest(cells, baselines)
        found = [tested[own, other] for other in top]
        is_ahead = (cells[own].value or 0.0) > (cells[top[0]].value or 0.0) and all(one.is_different for one in found)
        p, p_corrected = max(one.p for one in found), max(one.p_corrected for one in found)
        over = OverBaseline(p, p_corrected, len(tested))
        cells[own] = replace(cells[own], starred=is_ahead, over_baseline=over)


def _put_letters(cells: list[Cell], letters: Sequence[str], tested: dict[tuple[int, int], _Tested]) -> None:
    for row in {first for first, _ in tested}:
        worse = sorted(second for (first, second), found in tested.items() if first == row and found.is_different)
        cells[row] = replace(cells[row], better_than=tuple(letters[other] for other in worse))


def _highest(cells: Sequence[Cell], rows: Sequence[int]) -> list[int]:
    values = {row: value for row in rows if (value := cells[row].value) is not None}
    top = max(values.values(), default=0.0)
    return [row for row, value in values.items() if value >= top - EQUAL_WITHIN]


def _present(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if values is None:
        raise ValueError("a row without runs cannot be compared")
    return values
