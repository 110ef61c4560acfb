from __future__ import annotations

from bench.report.tables.caption import Repeated, Star
from bench.report.tables.legend import legend
from bench.report.tables.table import Cell, TableRow

ONE = Repeated(n_seeds=1)


def row(**marks: object) -> TableRow:
    return TableRow("A", "a", (Cell("0.1", 0.1, **marks),))  # type: ignore[arg-type]


def test_only_symbols_that_occur_are_explained() -> None:
    assert legend([row()], Star(), ONE, percent=False) == ""
    assert legend([row(best=True)], Star(), ONE, percent=True) == "Scores in percent. Best in bold, second underlined."


def test_marks_name_their_test_and_what_they_compare() -> None:
    starred = [row(best=True, starred=True)]
    assert "*: significantly better than the runner-up (p < 0.01, two-sided Wilcoxon" in legend(
        starred, Star("wilcoxon", 0.01), ONE, percent=False
    )
    assert "*: ours, significantly better than the best baseline" in legend(
        starred, Star(style="ours"), ONE, percent=False
    )
    assert "Letters: rows" in legend([row(better_than=("b",))], Star(style="letters"), ONE, percent=False)


def test_spreads_and_arrows_are_explained() -> None:
    text = legend([row(sd=0.1, arrow=True)], Star(), Repeated(n_seeds=3), percent=False)
    assert text == "±: standard deviation over seeds. ↗: not trained to convergence."
