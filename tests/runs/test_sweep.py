from __future__ import annotations

from typing import Any

import pytest

from bench.errors import BenchError
from bench.runs.params import parse_assignments
from bench.runs.request import RunRequest
from bench.runs.sweep import sweep_requests, values_of


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-3,3e-4", ["1e-3", "3e-4"]),
        ("1", ["1"]),
        ("", [""]),
        ("[64,32],[128]", ["[64,32]", "[128]"]),
        ("(1,2)", ["(1,2)"]),
        (r"a\,b", ["a,b"]),
        (r"a\,b,c", ["a,b", "c"]),
        (r"C:\dir,D:\dir", [r"C:\dir", r"D:\dir"]),
        ("a\\", ["a\\"]),
        ("a],b", ["a]", "b"]),
    ],
)
def test_commas_separate_values_except_in_brackets_and_after_a_backslash(text: str, values: list[str]) -> None:
    assert values_of(text) == values


def swept(method: str = "", methods: str | None = None, seeds: str | None = None, **params: Any) -> Any:
    found = sweep_requests(RunRequest(method, "shop", params=params), methods, seeds)
    return found and [(one.method, dict(one.params), one.seed) for one in found]


def test_one_value_each_is_no_sweep() -> None:
    assert swept("bpr", lr="0.1", epochs="3") is None


def test_methods_parameters_and_seeds_are_combined_in_this_order() -> None:
    assert swept(methods="bpr, sasrec", seeds="0,1", lr="0.1,0.2") == [
        (method, {"lr": lr}, seed) for method in ("bpr", "sasrec") for lr in ("0.1", "0.2") for seed in (0, 1)
    ]


def test_an_option_for_several_values_makes_a_sweep_of_one() -> None:
    assert swept("bpr", seeds="4") == [("bpr", {}, 4)]
    assert swept(methods="bpr") == [("bpr", {}, 0)]


def test_a_parameter_that_is_a_list_needs_brackets_to_have_several_values() -> None:
    assert swept("recbole:NGCF", hidden_size_list="64,32") is None
    assert swept("recbole:NGCF", hidden_size_list="[64,32],[16]") == [
        ("recbole:NGCF", {"hidden_size_list": sizes}, 0) for sizes in ("[64,32]", "[16]")
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Missing option '--method'"),
        ({"method": "bpr", "methods": "sasrec"}, "--method or --methods, not both"),
        ({"methods": "bpr,bpr"}, "--methods names a value twice: bpr, bpr"),
        ({"methods": "bpr,,sasrec"}, "--methods has an empty value between commas"),
        ({"methods": ""}, "--methods is empty"),
        ({"method": "bpr", "seeds": "0,one"}, "--seeds must be whole numbers, not 'one'"),
        ({"method": "bpr", "lr": "0.1,0.1"}, "-p lr names a value twice"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        swept(**given)


def test_a_seed_and_several_seeds_are_refused_together() -> None:
    with pytest.raises(BenchError, match="--seed or --seeds, not both"):
        sweep_requests(RunRequest("bpr", "shop", seed=3), None, "0,1")


def test_a_parameter_is_given_once() -> None:
    with pytest.raises(BenchError, match="'lr' is given twice"):
        parse_assignments(("lr=1", "lr=2"))
