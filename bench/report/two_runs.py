"""Two stored runs side by side: every test, the interval and what could have been found."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tabulate import tabulate

from bench.learning.convergence import IN_WORDS
from bench.plugin.fit_report import Ending, worst_ending
from bench.report.tables.layout import Slot
from bench.report.tables.table import metric_title
from bench.report.tables.values import read_group
from bench.runs.record import RunRecord, describe_variant
from bench.runs.store import RunStore
from bench.significance.comparison import EFFECT_WORDS, Comparison, compare, effect_in_words, with_holm
from bench.significance.tests import Test


def compare_runs(
    token_a: str, token_b: str, metrics: Sequence[str], store: RunStore, test: Test = "t-test"
) -> list[Comparison]:
    """Compare two systems, named by tokens, under each metric; Holm's family is the metrics.

    A token that names runs which differ in their seed alone stands for all of them. Raises BenchError where a token
    names no run or different ones, or where the runs ranked different candidates or scored different users.
    """
    slots = [Slot(tuple(store.find_seeds(token))) for token in (token_a, token_b)]
    values_a, values_b = read_group(slots, store)
    names = _name(values_a.records), _name(values_b.records)
    return with_holm([compare(*names, m, values_a.by_seed(m), values_b.by_seed(m)) for m in metrics], test)


def endings_of(token_a: str, token_b: str, store: RunStore) -> tuple[Ending | None, Ending | None]:
    """Return why the trainings of two systems ended, each the worst over its seeds; None where nothing was trained."""
    first, second = (
        worst_ending(record.fit.ended for record in store.find_seeds(token)) for token in (token_a, token_b)
    )
    return first, second


def comparisons_to_json(
    comparisons: Sequence[Comparison], endings: tuple[Ending | None, Ending | None] = (None, None)
) -> str:
    """Return a JSON list with one object a metric, each with why both trainings ended."""
    ended = dict(zip(("ended_a", "ended_b"), endings, strict=True))
    found = [{**comparison.to_json(), **ended} for comparison in comparisons]
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def comparisons_to_text(
    comparisons: Sequence[Comparison], endings: tuple[Ending | None, Ending | None] = (None, None)
) -> str:
    """Return one column of figures a metric, and a warning of trainings that had not converged.

    Args:
        comparisons: Of the same two systems.
        endings: Why the trainings of A and B ended.
    """
    first = comparisons[0]
    headers = ["", *(metric_title(comparison.metric) for comparison in comparisons)]
    columns = [_figures(comparison) for comparison in comparisons]
    rows = [[label, *(column[label] for column in columns)] for label in columns[0]]
    grid = tabulate(rows, headers, disable_numparse=True, colalign=["left", *("right" for _ in columns)])
    below = "\n".join([_reading(comparisons), *_unconverged(endings)])
    return f"A: {first.name_a}\nB: {first.name_b}\nn = {first.n:,} users\n\n{grid}\n\n{below}\n"


def _figures(comparison: Comparison) -> dict[str, str]:
    size = comparison.family_size
    levels = "users" if comparison.p_seeds is None else "users and seeds"
    of_seeds = {} if comparison.p_seeds is None else {"p, t-test on the seeds' means": _p(comparison.p_seeds)}
    return {
        "A": _mean(comparison.mean_a, comparison.sd_a),
        "B": _mean(comparison.mean_b, comparison.sd_b),
        "A - B": f"{comparison.difference:+.4f}",
        f"95 % interval (bootstrap of {levels})": f"[{comparison.low:+.4f}, {comparison.high:+.4f}]",
        "p, paired t-test": _p(comparison.p_t),
        "p, Wilcoxon (Pratt)": _p(comparison.p_wilcoxon),
        "p, sign-flip permutation": _p(comparison.p_permutation),
        f"p, {comparison.corrected_test}, Holm over {size}": _p(comparison.p_holm),
        **of_seeds,
        "effect size (Cohen's d_z)": _effect(comparison.effect_size),
        "win / tie / loss of A": f"{comparison.wins:,} / {comparison.ties:,} / {comparison.losses:,}",
        "detectable difference (80 % power)": f"{comparison.detectable_difference:.4f}",
    }


def _reading(comparisons: Sequence[Comparison]) -> str:
    """Return how to read the figures, and a warning where there are too few users to read much into them."""
    first = comparisons[0]
    lines = [f"d_z: mean over standard deviation of the users' differences; {_effect_scale()} (Cohen 1988)."]
    if max(first.n_seeds_a, first.n_seeds_b) > 1:
        lines.append(
            "Tests, d_z and counts are those of each user's mean over seeds; means with ± sd over seeds. A difference "
            "that the test on the seeds' means does not find may be one of these seeds."
        )
    warnings = [f"Warning, {metric_title(c.metric)}: {c.warning}" for c in comparisons if c.warning]
    return "\n".join(lines + warnings)


def _unconverged(endings: tuple[Ending | None, Ending | None]) -> list[str]:
    return [
        f"Warning, {name} ↗: when its training ended, {IN_WORDS[ended]}; a longer one may score higher."
        for name, ended in zip("AB", endings, strict=True)
        if ended not in (None, "converged")
    ]


def _effect_scale() -> str:
    return ", ".join(f"below {limit:g} {word}" for limit, word in EFFECT_WORDS) + ", else large"


def _effect(d: float | None) -> str:
    return effect_in_words(d) if d is None else f"{d:+.3f} ({effect_in_words(d)})"


def _mean(mean: float, sd: float | None) -> str:
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _name(records: Sequence[RunRecord]) -> str:
    """Return a run's token, id and variant; of several seeds the token without its seed, and all ids."""
    ids = ", ".join(record.id for record in records)
    variant = describe_variant(records[0], of_row=len(records) > 1)
    token = records[0].token if len(records) == 1 else records[0].token.rpartition("@")[0]
    seeds = [f"{len(records)} seeds"] if len(records) > 1 else []
    return f"{token} ({', '.join([*seeds, ids] + [variant] * bool(variant))})"
