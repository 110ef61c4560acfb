from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        (["candidates", "shop", "--json"], ["candidates", "SHOP", "--json"]),
        (["describe", "sasrec"], ["describe", "SASRec"]),
        (["describe", "beauty"], ["describe", "Beauty"]),
        (["data", "stats", "shop"], ["data", "stats", "Shop"]),
        (["table", "--dataset", "shop", "--setting", "warm"], ["table", "--dataset", "Shop", "--setting", "warm"]),
        (["reproduce", "demo", "--dry-run"], ["reproduce", "Demo", "--dry-run"]),
    ],
)
def test_a_name_may_be_written_in_any_case(bench: Bench, words: list[str], spelled: list[str]) -> None:
    bench("run", "--method", "random", "--dataset", "shop")
    expected, found = bench(*words), bench(*spelled)
    assert (found.code, found.stdout) == (0, expected.stdout)


def test_a_run_has_one_id_however_its_names_are_written(bench: Bench) -> None:
    records = [
        json.loads(bench("run", "--method", method, "--dataset", dataset, "--json").stdout)
        for method, dataset in (("popularity", "shop"), ("Popularity", "SHOP"))
    ]
    assert records[0] == records[1]
