"""Comparison of two stored runs: all tests, the confidence interval and the minimum detectable difference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING

from tabulate import tabulate

from bench.errors import BenchError, did_you_mean
from bench.learning.convergence import IN_WORDS
from bench.plugin.fit_report import Ending, worst_ending
from bench.report.tables.layout import Slot
from bench.report.tables.texts import metric_title
from bench.report.tables.values import read_group
from bench.runs.record import RunRecord, describe_variant
from bench.significance.comparison import EFFECT_WORDS, Comparison, compare, effect_in_words, with_holm

if TYPE_CHECKING:
    import pandas

    from bench.runs.store import RunStore
    from bench.significance.tests import Test

SMALLEST_P = 0.0001
"""Smaller p-values are printed as less than this."""


@dataclass(frozen=True)
class ComparedRuns:
    """Comparisons of two systems by metric, such as ``compared["ndcg@1"].p_holm``."""

    comparisons: tuple[Comparison, ...]
    """One per metric."""
    endings: tuple[Ending | None, Ending | None] = (None, None)
    """Why the trainings of A and B ended (the worst over seeds); None if nothing was trained."""

    def __getitem__(self, metric: str) -> Comparison:
        found = {comparison.metric: comparison for comparison in self.comparisons}
        if metric not in found:
            raise BenchError(
                f"'{metric}' was not compared; expected {' or '.join(found)}.{did_you_mean(metric, found)}"
            )
        return found[metric]

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.comparisons)

    def __len__(self) -> int:
        return len(self.comparisons)

    def __str__(self) -> str:
        return comparisons_to_text(self.comparisons, self.endings)

    def _repr_html_(self) -> str:
        return comparisons_to_html(self.comparisons, self.endings)

    def to_json(self) -> str:
        """Return a JSON list with one object per metric."""
        return comparisons_to_json(self.comparisons, self.endings)

    def frame(self) -> pandas.DataFrame:
        """Return one row per metric with every field of :class:`Comparison`, indexed by the metric's name."""
        import pandas

        return pandas.DataFrame([asdict(comparison) for comparison in self.comparisons]).set_index("metric")


def compare_runs(
    records_a: Sequence[RunRecord],
    records_b: Sequence[RunRecord],
    metrics: Sequence[str],
    store: RunStore,
    test: Test = "t-test",
) -> ComparedRuns:
    """Compare two systems, each with one stored run per seed, by metric; p-values are Holm-corrected over metrics.

    Raises:
        BenchError: the runs ranked different candidates or scored different users.
    """
    values_a, values_b = read_group([Slot(tuple(records)) for records in (records_a, records_b)], store)
    names = _name(records_a), _name(records_b)
    family = [compare(*names, m, values_a.by_seed(m), values_b.by_seed(m)) for m in metrics]
    ended_a, ended_b = (worst_ending(record.fit.ended for record in records) for records in (records_a, records_b))
    return ComparedRuns(tuple(with_holm(family, test)), (ended_a, ended_b))


def comparisons_to_json(
    comparisons: Sequence[Comparison], endings: tuple[Ending | None, Ending | None] = (None, None)
) -> str:
    """Return a JSON list with one object per metric, including why both trainings ended."""
    ended = dict(zip(("ended_a", "ended_b"), endings, strict=True))
    found = [{**comparison.to_json(), **ended} for comparison in comparisons]
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def comparisons_to_text(
    comparisons: Sequence[Comparison], endings: tuple[Ending | None, Ending | None] = (None, None)
) -> str:
    """Return a table with one column per metric, and a warning about trainings that did not converge.

    Args:
        comparisons: Comparisons of the same two systems.
        endings: Why the trainings of A and B ended.
    """
    above, below = "\n".join(_named(comparisons)), "\n".join([*_reading(comparisons), *_unconverged(endings)])
    return f"{above}\n\n{_grid(comparisons, 'simple')}\n\n{below}\n"


def comparisons_to_html(
    comparisons: Sequence[Comparison], endings: tuple[Ending | None, Ending | None] = (None, None)
) -> str:
    """Return the same as an HTML fragment."""
    above, below = (
        f"<p>{'<br>'.join(map(escape, lines))}</p>"
        for lines in (_named(comparisons), [*_reading(comparisons), *_unconverged(endings)])
    )
    return f"{above}\n{_grid(comparisons, 'html')}\n{below}\n"


def _named(comparisons: Sequence[Comparison]) -> list[str]:
    first = comparisons[0]
    return [f"A: {first.name_a}", f"B: {first.name_b}", f"n = {first.n:,} users"]


def _grid(comparisons: Sequence[Comparison], table_format: str) -> str:
    headers = ["", *(metric_title(comparison.metric) for comparison in comparisons)]
    columns = [_figures(comparison) for comparison in comparisons]
    rows = [[label, *(column[label] for column in columns)] for label in columns[0]]
    alignment = ["left", *("right" for _ in columns)]
    return tabulate(rows, headers, tablefmt=table_format, disable_numparse=True, colalign=alignment)


def _figures(comparison: Comparison) -> dict[str, str]:
    size = comparison.family_size
    levels = "users" if comparison.p_seeds is None else "users and seeds"
    of_seeds = {} if comparison.p_seeds is None else {"p (t-test on the means of seeds)": _p(comparison.p_seeds)}
    return {
        "A": _mean(comparison.mean_a, comparison.sd_a),
        "B": _mean(comparison.mean_b, comparison.sd_b),
        "A - B": f"{comparison.difference:+.4f}",
        f"95% CI (bootstrap over {levels})": f"[{comparison.low:+.4f}, {comparison.high:+.4f}]",
        "p (paired t-test)": _p(comparison.p_t),
        "p (Wilcoxon, Pratt)": _p(comparison.p_wilcoxon),
        "p (sign-flip permutation)": _p(comparison.p_permutation),
        f"p ({comparison.corrected_test}, Holm-adjusted, {size} test{'' if size == 1 else 's'})": _p(comparison.p_holm),
        **of_seeds,
        "effect size (Cohen's d_z)": _effect(comparison.effect_size),
        "wins / ties / losses of A": f"{comparison.wins:,} / {comparison.ties:,} / {comparison.losses:,}",
        "minimum detectable difference (80% power)": f"{comparison.detectable_difference:.4f}",
    }


def _reading(comparisons: Sequence[Comparison]) -> list[str]:
    """Return how to read the numbers, and a warning if there are few users."""
    first = comparisons[0]
    lines = [
        f"d_z: mean of the users' differences divided by their standard deviation; {_effect_scale()} (Cohen 1988)."
    ]
    if max(first.n_seeds_a, first.n_seeds_b) > 1:
        lines.append(
            "Tests, d_z and counts use each user's mean over seeds; ± is the standard deviation over seeds. If the "
            "t-test on the means of seeds is not significant, the difference may be due to these seeds."
        )
    warnings = [f"Warning ({metric_title(c.metric)}): {c.warning}" for c in comparisons if c.warning]
    return lines + warnings


def _unconverged(endings: tuple[Ending | None, Ending | None]) -> list[str]:
    return [
        f"Warning: {name} was not trained to convergence ({IN_WORDS[ended]}); it may score higher with longer training."
        for name, ended in zip("AB", endings, strict=True)
        if ended not in (None, "converged")
    ]


def _effect_scale() -> str:
    return ", ".join(f"below {limit:g} {word}" for limit, word in EFFECT_WORDS) + ", otherwise large"


def _effect(d: float | None) -> str:
    return effect_in_words(d) if d is None else f"{d:+.3f} ({effect_in_words(d)})"


def _mean(mean: float, sd: float | None) -> str:
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return f"< {SMALLEST_P}" if p < SMALLEST_P else f"{p:.4f}"


def _name(records: Sequence[RunRecord]) -> str:
    """Return a run's token, id and variant; for several seeds, the token without the seed, and all ids."""
    ids = ", ".join(record.id for record in records)
    variant = describe_variant(records[0], of_row=len(records) > 1)
    token = records[0].token if len(records) == 1 else records[0].token.rpartition("@")[0]
    seeds = [f"{len(records)} seeds"] if len(records) > 1 else []
    return f"{token} ({', '.join([*seeds, ids] + [variant] * bool(variant))})"
