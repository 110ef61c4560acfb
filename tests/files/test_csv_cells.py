from __future__ import annotations

from typing import Any

import pytest

from bench.files.csv_cells import inert


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "=cmd|1", "-"])
def test_a_formula_is_shown_and_not_computed(text: str) -> None:
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("value", ["SASRec", "", "a=b", "-1.5", "+3", -2, 0.5, None, "1e-3", "ß"])
def test_what_is_no_formula_stays(value: Any) -> None:
    assert inert(value) == value
