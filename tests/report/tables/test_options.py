from __future__ import annotations

from typing import Any

import pytest

from bench.errors import BenchError
from bench.report.tables.options import DEFAULT_OPTIONS, TableOptions


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"notse": "none"}, "no option 'notse'. Did you mean notes"),
        ({"notes": "some"}, "--notes must be none or short or full, not 'some'"),
        ({"align": "dcolumn"}, "--align must be rlap or siunitx"),
        ({"marks": "daggers"}, "--marks must be star or letters or ours"),
        ({"improvement": "cell"}, "--improvement must be row or column or both"),
        ({"precision": 9}, "--precision must be from 0 to 8, not 9"),
        ({"label": "tab:a}b"}, "is not a label"),
        ({"label": "a b"}, "is not a label"),
    ],
)
def test_values_that_are_not_allowed_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        TableOptions.of(values)


def test_one_name_is_a_list_of_one() -> None:
    assert TableOptions.of({"ours": "sasrec", "columns": ["ndcg@1", "mrr@5"]}) == TableOptions(
        ours=("sasrec",), columns=("ndcg@1", "mrr@5")
    )


def test_only_options_that_differ_from_their_defaults_are_given() -> None:
    assert TableOptions.of({}) == DEFAULT_OPTIONS
    assert DEFAULT_OPTIONS.given == ()
    assert TableOptions(percent=False, label="x").given == ("label", "percent")
