"""Show what the scorings of a decoder rank, measured by ``tests/benchmarks/decoder_scorings.py``."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from method_pages import MEASURED, table

SCORINGS = MEASURED / "scorings.csv"
NAMES = {
    "prior": "only the likelihood without a history",
    "sum": "`sum`",
    "mean": "`mean`",
    "prior-corrected": "`prior-corrected`",
    "prior-corrected-mean": "`prior-corrected-mean`",
    "generate": "`generate`",
}
COLUMNS = {
    ("0", "0"): "untrained, history only",
    ("0", "1"): "untrained, history and candidates",
    ("1", "0"): "trained, history only",
    ("1", "1"): "trained, history and candidates",
}
"""Title of a column by whether the model is trained and whether the prompt contains the candidates."""


def scorings() -> str:
    """Return the metrics of each scoring; the best of a column is bold."""
    with SCORINGS.open(encoding="utf-8", newline="") as file:
        found = {(row["trained"], row["candidates_in_prompt"], row["scoring"]): row for row in csv.DictReader(file)}
    best = {
        (*column, metric): max((float(row[metric]) for key, row in found.items() if key[:2] == column), default=0.0)
        for column in COLUMNS
        for metric in ("ndcg_at_1", "ndcg_at_3")
    }
    rows = (
        [name, *(_cell(found.get((*column, scoring)), best) for column in COLUMNS)] for scoring, name in NAMES.items()
    )
    return table(("Scoring", *COLUMNS.values()), rows)


def _cell(row: Mapping[str, str] | None, best: Mapping[tuple[str, str, str], float]) -> str:
    if row is None:
        return "–"
    values = {metric: float(row[metric]) for metric in ("ndcg_at_1", "ndcg_at_3")}
    place = row["trained"], row["candidates_in_prompt"]
    return " / ".join(
        f"**{value:.3f}**" if value == best[*place, metric] else f"{value:.3f}" for metric, value in values.items()
    )
