"""Similar names, and names in another case."""

from __future__ import annotations

import pytest

from bench.errors import canonical_name, did_you_mean, near_names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("beaty", ["beauty"]),
        ("BEAUTY", ["beauty"]),
        ("tols", ["tools"]),
        ("cocktail", ["reccocktail"]),
        ("foo", []),
        ("x", []),
        ("", []),
        ("sas", []),
    ],
)
def test_names_are_suggested_only_if_they_are_spelled_alike(name: str, near: list[str]) -> None:
    assert near_names(name, ["beauty", "tools", "reccocktail", "ml-100k"]) == near


def test_known_names_are_suggested_as_they_are_written() -> None:
    assert did_you_mean("sasrek", ["SASRec", "NARM"]) == " Did you mean SASRec?"
    assert did_you_mean("foo", ["tools"]) == ""


def test_no_more_names_are_suggested_than_wanted() -> None:
    assert near_names("ml-100k-drana", ["ml-100k-drama", "ml-100k-action", "ml-100k-comedy", "ml-100k"], limit=2)[
        0
    ] == ("ml-100k-drama")
    assert len(near_names("ml-100k", ["ml-100k-drama", "ml-100k-action", "ml-100k-comedy"], limit=2)) == 2


def test_a_name_in_another_case_is_the_known_one_unless_several_fit() -> None:
    assert canonical_name("SASRec", ["sasrec", "bpr"]) == "sasrec"
    assert canonical_name("sasrec", ["sasrec", "SASREC"]) == "sasrec"
    assert canonical_name("Sasrec", ["sasrec", "SASREC"]) == "Sasrec"
    assert canonical_name("unknown", ["sasrec"]) == "unknown"
