from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from bench.report.tables.options import TableOptions
from bench.report.tables.summaries import improvements, improvements_over, mean_improvements, mean_ranks, with_summaries
from bench.report.tables.table import Cell, ColumnGroup, Table, TableRow


def row(label: str, *values: float | None, **facts: bool) -> TableRow:
    return TableRow(label, label.lower(), tuple(Cell(str(value), value) for value in values), **facts)


def table_of(*rows: TableRow, **options: object) -> Table:
    metrics = tuple(f"ndcg@{number}" for number in range(1, len(rows[0].cells) + 1))
    group = ColumnGroup("beauty", "warm", "holdout", "Beauty, warm")
    return Table("toy", "A caption.", (group,), metrics, rows, options=TableOptions(**options))  # type: ignore[arg-type]


PLAIN = table_of(row("A", 0.5, 0.2), row("B", 0.4, 0.4), row("C", 0.2, 0.1))
OWNED = replace(PLAIN, rows=(PLAIN.rows[0], PLAIN.rows[1], replace(PLAIN.rows[2], ours=True)))


def test_mean_ranks_are_means_over_columns() -> None:
    assert mean_ranks(PLAIN) == (1.5, 1.5, 3.0)


def test_tied_rows_share_their_mean_rank() -> None:
    assert mean_ranks(table_of(row("A", 0.5), row("B", 0.5), row("C", 0.1))) == (1.5, 1.5, 3.0)


def test_rows_without_all_scores_and_unranked_rows_have_no_mean_rank_and_change_no_other() -> None:
    more = (row("D", 0.9, None), row("E", 1.0, 1.0, reference=True), row("F", 1.0, 1.0, toy=True))
    assert mean_ranks(replace(PLAIN, rows=PLAIN.rows + more)) == (1.5, 1.5, 3.0, None, None, None)


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.1, 0.2, 0.7])] * 3), min_size=1, max_size=8))
def test_mean_ranks_are_those_of_scipy(scores: list[tuple[float, float, float]]) -> None:
    found = mean_ranks(table_of(*(row(f"R{number}", *values) for number, values in enumerate(scores))))
    expected = scipy.stats.rankdata(-np.array(scores), axis=0).mean(axis=1)
    assert found == pytest.approx(tuple(expected))


def test_without_ours_the_best_row_is_compared_with_the_second() -> None:
    assert improvements(PLAIN) == pytest.approx((25.0, 100.0))
    assert improvements_over(PLAIN, PLAIN.rows[0]) == (None, pytest.approx(100.0))
    assert improvements_over(PLAIN, PLAIN.rows[2]) == pytest.approx((150.0, 300.0))
    assert mean_improvements(PLAIN) == pytest.approx((50.0, 12.5, 225.0))


def test_ours_is_compared_with_the_best_baseline_even_if_it_loses() -> None:
    assert improvements(OWNED) == pytest.approx((-60.0, -75.0))
    assert mean_improvements(OWNED) == (pytest.approx(-55.0), pytest.approx((-50 - 75) / 2), None)


def test_the_best_of_our_rows_counts() -> None:
    two = replace(OWNED, rows=(*OWNED.rows, row("D", 0.8, 0.1, ours=True)))
    assert improvements(two) == pytest.approx((60.0, -75.0))
    assert mean_improvements(two)[2:] == (None, None)


def test_there_is_no_improvement_over_zero_or_over_nothing() -> None:
    assert improvements(table_of(row("A", 0.5), row("B", 0.0))) == (None,)
    assert improvements(table_of(row("A", 0.5), row("B", None))) == (None,)
    assert mean_improvements(table_of(row("A", 0.5, 0.1), row("B", 0.0, 0.05))) == (None, None)


def test_a_table_shows_what_its_options_ask_for_and_explains_it() -> None:
    made = with_summaries(replace(OWNED, options=TableOptions(improvement="both", mean_rank=True), legend="Bold."))
    assert [summary.name for summary in made.summaries] == ["mean_rank", "mean_improvement_percent"]
    assert made.summary_texts(made.summaries[1]) == ["−55.00", "−62.50", "–"]
    assert made.improvements == pytest.approx((-60.0, -75.0))
    for text in (made.caption, made.legend):
        assert "Mean rank: over the 2 columns, 1 is best." in text
        assert "our best row over the best other row (last row) and over each row" in text
    row_only = with_summaries(replace(PLAIN, options=TableOptions(improvement="row")))
    assert (row_only.summaries, row_only.improvements) == ((), pytest.approx((25.0, 100.0)))
    assert with_summaries(PLAIN).caption == PLAIN.caption


def test_a_column_or_row_of_dashes_alone_is_left_out_and_the_caption_says_why() -> None:
    lonely = table_of(row("A", 0.5, None), row("B", None, 0.1), improvement="both", mean_rank=True)
    made = with_summaries(lonely)
    assert (made.summaries, made.improvements) == ((), ())
    assert made.caption == (
        "A caption. Mean rank, Improv. (%): not shown, as no row has the scores for it in every column."
    )


@pytest.mark.parametrize(
    ("precision", "rank", "improvement"), [(None, "1.50", "+12.50"), (1, "1.5", "+12.5"), (4, "1.50", "+12.50")]
)
def test_means_have_at_most_the_decimals_asked_for(precision: int | None, rank: str, improvement: str) -> None:
    options = TableOptions(improvement="both", mean_rank=True, precision=precision)
    made = with_summaries(replace(PLAIN, options=options))
    assert [made.summary_texts(summary)[1] for summary in made.summaries] == [rank, improvement]
    for output_format in ("text", "markdown", "latex", "html"):
        text = made.render(output_format)
        assert f"{improvement}0" not in text
        assert all(number in text for number in (rank, improvement, made.improvement_texts[0]))
