"""Learning curves as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from tabulate import tabulate

from bench.report.tables.texts import MISSING_TEXT, figure, metric_title

if TYPE_CHECKING:
    from bench.report.figures.learning_curve import Curve, Curves, Point
    from bench.significance.regression import Regression


def curves_to_json(curves: Curves) -> str:
    """Return one JSON object; scores are fractions."""
    content = asdict(curves)
    for curve, plain in zip(curves.curves, content["curves"], strict=True):
        plain["saved_percent"] = {rival: curve.saved_percent(curves.methods[0], rival) for rival in curves.methods[1:]}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def curves_to_text(curves: Curves) -> str:
    """Return the points of each target, the sizes at which methods overtake the reference, and the regressions."""
    parts = [_points(curve, curves) for curve in curves.curves] + [_thresholds(curves)]
    parts += [_regression(method, found) for method, found in curves.regressions.items()]
    if curves.missing:
        parts.append(
            "\n".join([f"{len(curves.missing)} runs are missing. First missing run:", f"  {curves.missing[0]}"])
        )
    return "\n\n".join(parts) + "\n"


def _points(curve: Curve, curves: Curves) -> str:
    by_place = {(point.method, point.n_users): point for point in curve.points}
    sizes = sorted({point.n_users for point in curve.points})
    rows = [
        [f"{size:,}", *(_mean(by_place.get((method, size)), curve.reference) for method in curves.methods)]
        for size in sizes
    ]
    head = (
        f"{curve.title}: {metric_title(curves.metric)} in percent on {curve.n_queries:,} queries, mean ± standard "
        f"deviation over subsets; + means above the reference ({figure(curve.reference, percent=True)})"
    )
    return f"{head}\n" + _grid(["users", *curves.methods], rows)


def _mean(point: Point | None, reference: float) -> str:
    if point is None:
        return MISSING_TEXT
    deviation = "" if point.sd is None else f" ± {figure(point.sd, percent=True)}"
    return f"{figure(point.mean, percent=True)}{deviation} {'+' if point.mean > reference else ' '}"


def _thresholds(curves: Curves) -> str:
    study, *rivals = curves.methods
    headers = ["target", *(f"{method} exceeds" for method in curves.methods)]
    headers += [title for rival in rivals for title in (f"users saved vs. {rival}", f"better than {rival} below")]
    rows = []
    for curve in curves.curves:
        row = [curve.title, *(_size(curve.exceeds[method], "never") for method in curves.methods)]
        for rival in rivals:
            saved = curve.saved_percent(study, rival)
            row += [MISSING_TEXT if saved is None else f"{saved:.1f}%", _size(curve.better_below[rival], "all sizes")]
        rows.append(row)
    head = (
        f"Numbers of training users at which a method exceeds the reference, and below which {study} is significantly "
        "better (paired t-test on users' means over subsets, Holm-corrected over the sizes, and t-test on the means of "
        "subsets; both p < 0.05)"
    )
    return f"{head}\n" + _grid(headers, rows)


def _regression(method: str, found: Regression | str) -> str:
    head = f"Regression of the gain of {method} over the reference, in percentage points"
    if isinstance(found, str):
        return f"{head}: {found}"
    rows = [
        [f"per {one.name}", f"{100 * one.value:+.3f}", f"{100 * one.standard_error:.3f}", f"{one.p:.4f}"]
        for one in found.coefficients
    ]
    facts = (
        f"{found.n} runs in {found.n_clusters} clusters (the sizes of a subset), one mean per target, "
        f"R² {found.r_squared:.3f}"
    )
    return f"{head}\n{facts}\n" + _grid(["", "coefficient", "standard error", "p"], rows)


def _grid(headers: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, headers, disable_numparse=True, colalign=["left", *("right" for _ in headers[1:])])


def _size(size: int | None, otherwise: str) -> str:
    return otherwise if size is None else f"{size:,}"
