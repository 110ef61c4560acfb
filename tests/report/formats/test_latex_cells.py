from __future__ import annotations

import pytest

from bench.report.formats.latex_cells import LatexColumn
from bench.report.tables.table import Cell

PLAIN = Cell("0.1234", 0.1234)
SECOND = Cell("0.2000", 0.2, second=True)
BEST = Cell("0.3000", 0.3, best=True, starred=True)
SPREAD = Cell("12.30 ± 0.10", 0.123, best=True, starred=True, sd=0.001)


def texts(*cells: Cell, siunitx: bool = False, improvement: tuple[str, ...] = ()) -> list[str]:
    return LatexColumn("NDCG@1", cells, siunitx, improvement).texts


def test_a_star_takes_no_space() -> None:
    assert texts(PLAIN, SECOND, BEST) == ["0.1234", r"\underline{0.2000}", r"\textbf{0.3000}\rlap{$^{*}$}"]


def test_letters_and_arrows_keep_their_space_in_every_row() -> None:
    lettered = Cell("0.4000", 0.4, better_than=("a", "b", "c"))
    assert texts(PLAIN, lettered) == [
        r"0.1234\hphantom{\textsuperscript{a--c}}",
        r"0.4000\textsuperscript{a--c}",
    ]
    arrow = Cell("0.4000", 0.4, arrow=True)
    assert texts(BEST, arrow)[0] == r"\textbf{0.3000}\rlap{$^{*}$}\hphantom{$\nearrow$}"


def test_a_star_stands_behind_the_standard_deviation() -> None:
    assert texts(SPREAD, SPREAD)[0] == r"\textbf{12.30}{\tiny\,$\pm$\,0.10}\rlap{$^{*}$}"


def test_numbers_with_and_without_standard_deviation_are_aligned() -> None:
    assert texts(PLAIN, SPREAD)[0] == r"0.1234\hphantom{{\tiny\,$\pm$\,0.10}$^{*}$}"


def test_columns_of_siunitx_state_their_digits_and_the_space_of_marks() -> None:
    column = LatexColumn("Hit@1 (%)", (Cell("7.00", 0.07), SPREAD), True)
    assert column.type == r"S[table-format=2.2,table-space-text-post={{\tiny\,$\pm$\,0.10}$^{*}$}]"
    assert column.heading == r"{Hit@1 (\%)}"
    assert LatexColumn("NDCG@1", (PLAIN,), True).type == "S[table-format=1.4]"
    assert LatexColumn("Hit@1", (Cell("7", 0.07),), True).type == "S[table-format=1]"


def test_cells_of_siunitx_are_numbers_or_text_in_braces() -> None:
    assert texts(PLAIN, SECOND, BEST, Cell(), siunitx=True, improvement=("−2.50",)) == [
        "0.1234",
        r"{\underline{0.2000}\hphantom{$^{*}$}}",
        r"\bfseries 0.3000{\mdseries$^{*}$}",
        r"{--\hphantom{$^{*}$}}",
        r"{$-$2.50\hphantom{$^{*}$}}",
    ]


@pytest.mark.parametrize("cells", [(Cell("22,363", 22363.0),), (Cell(), Cell()), ()])
def test_columns_without_plain_numbers_stay_ordinary(cells: tuple[Cell, ...]) -> None:
    column = LatexColumn("Users", cells, True)
    assert (column.type, column.heading) == ("r", "Users")
