"""Two stored runs side by side: every test, the interval and what could have been found."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tabulate import tabulate

from bench.report.table import metric_title
from bench.report.values import SlotValues, check_same_candidates, check_same_queries
from bench.runs import RunRecord, RunStore, describe_variant
from bench.significance import Comparison, Test, compare, with_holm


def compare_runs(
    token_a: str, token_b: str, metrics: Sequence[str], store: RunStore, test: Test = "t-test"
) -> list[Comparison]:
    """Compare two runs, named by tokens, under each metric; Holm's family is the metrics.

    Raises BenchError where a token names no run or several, or where the runs ranked different candidates or
    scored different users.
    """
    record_a, record_b = store.find(token_a), store.find(token_b)
    check_same_candidates([record_a, record_b])
    (users_a, ranks_a), (users_b, ranks_b) = store.ranks(record_a.id), store.ranks(record_b.id)
    check_same_queries(record_a, users_a, record_b, users_b)
    values_a, values_b = SlotValues((record_a,), (ranks_a,)), SlotValues((record_b,), (ranks_b,))
    names = _name(record_a), _name(record_b)
    return with_holm([compare(*names, m, values_a.by_seed(m)[0], values_b.by_seed(m)[0]) for m in metrics], test)


def comparisons_to_json(comparisons: Sequence[Comparison]) -> str:
    """Return a JSON list with one object a metric."""
    return json.dumps([comparison.to_json() for comparison in comparisons], indent=2, allow_nan=False) + "\n"


def comparisons_to_text(comparisons: Sequence[Comparison]) -> str:
    """Return one column of figures a metric; the comparisons share their two runs."""
    first = comparisons[0]
    headers = ["", *(metric_title(comparison.metric) for comparison in comparisons)]
    columns = [_figures(comparison) for comparison in comparisons]
    rows = [[label, *(column[label] for column in columns)] for label in columns[0]]
    grid = tabulate(rows, headers, disable_numparse=True, colalign=["left", *("right" for _ in columns)])
    return f"A: {first.name_a}\nB: {first.name_b}\nn = {first.n:,} users\n\n{grid}\n"


def _figures(comparison: Comparison) -> dict[str, str]:
    size = comparison.family_size
    return {
        "A": f"{comparison.mean_a:.4f}",
        "B": f"{comparison.mean_b:.4f}",
        "A - B": f"{comparison.difference:+.4f}",
        "95 % interval (bootstrap)": f"[{comparison.low:+.4f}, {comparison.high:+.4f}]",
        "p, paired t-test": _p(comparison.p_t),
        "p, Wilcoxon (Pratt)": _p(comparison.p_wilcoxon),
        "p, sign-flip permutation": _p(comparison.p_permutation),
        f"p, {comparison.corrected_test}, Holm over {size}": _p(comparison.p_holm),
        "effect size (Cohen's d, paired)": f"{comparison.effect_size:+.3f}",
        "win / tie / loss of A": f"{comparison.wins:,} / {comparison.ties:,} / {comparison.losses:,}",
        "detectable difference (80 % power)": f"{comparison.detectable_difference:.4f}",
    }


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _name(record: RunRecord) -> str:
    variant = describe_variant(record)
    return f"{record.token} ({', '.join([record.id, variant] if variant else [record.id])})"
