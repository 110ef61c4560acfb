"""The table of a decoder's scorings, made from what was measured."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import scoring_pages

import bench
from bench.metrics import Metric, chance

PAGE = Path(bench.__file__).parent.parent / "docs" / "pages" / "backbones.md"

MEASURED = """scoring,trained,candidates_in_prompt,ndcg_at_1,ndcg_at_3
sum,0,0,0.1,0.164
prior-corrected,0,0,0.24,0.15
sum,0,1,0.04,0.08
generate,0,1,0.0204,0.03
"""


def test_each_scoring_is_a_row_with_the_best_of_a_column_bold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scorings.csv"
    path.write_text(MEASURED, encoding="utf-8")
    monkeypatch.setattr(scoring_pages, "SCORINGS", path)
    head, _, *rows = [line.strip("| ").split(" | ") for line in scoring_pages.scorings().splitlines()]
    assert head == ["Scoring", *scoring_pages.COLUMNS.values()]
    assert ["`sum`", "0.100 / **0.164**", "**0.040** / **0.080**", "–", "–"] in rows
    assert ["`prior-corrected`", "**0.240** / 0.150", "–", "–", "–"] in rows
    assert ["`generate`", "–", "0.020 / 0.030", "–", "–"] in rows


def test_every_column_of_the_shipped_table_is_measured() -> None:
    shown = scoring_pages.scorings()
    # a list can only be matched with candidates in the prompt
    assert shown.count("–") == 2
    assert "**" in shown


def test_the_page_says_what_candidates_in_the_prompt_cost() -> None:
    rows = [row for row in measured_rows() if row["scoring"] == "prior-corrected"]
    costs = [
        " / ".join(f"{float(without[metric]) - float(within[metric]):.2f}" for metric in ("ndcg_at_1", "ndcg_at_3"))
        for trained in "01"
        for without, within in [sorted((row for row in rows if row["trained"] == trained), key=by_candidates)]
    ]
    assert f"by {costs[0]} untrained and by {costs[1]} trained" in page()


def test_the_page_says_what_generated_lists_reach() -> None:
    (row,) = [row for row in measured_rows() if (row["scoring"], row["trained"]) == ("generate", "1")]
    assert f"near the chance level ({float(row['ndcg_at_1']):.3f} / {float(row['ndcg_at_3']):.3f})" in page()


def test_untrained_lists_are_at_chance_as_the_page_says() -> None:
    (row,) = [row for row in measured_rows() if (row["scoring"], row["trained"]) == ("generate", "0")]
    assert "so no list names a candidate and the scores are those of chance" in page()
    assert [row["ndcg_at_1"], row["ndcg_at_3"]] == [str(round(chance(Metric("ndcg", k)), 4)) for k in (1, 3)]


def measured_rows() -> list[dict[str, str]]:
    with scoring_pages.SCORINGS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def page() -> str:
    return " ".join(PAGE.read_text(encoding="utf-8").split())


def by_candidates(row: dict[str, str]) -> str:
    return row["candidates_in_prompt"]
