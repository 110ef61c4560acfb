from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from bench.files.field_types import fits, misfit


@dataclass(frozen=True)
class Inner:
    curve: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    inner: Inner = field(default_factory=Inner)
    facts: Mapping[str, float] | None = None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, int),
        (1, float),
        (1.5, float),
        (True, bool),
        ("a", str),
        (None, int | None),
        ("warm", Literal["warm", "cold"]),
        ([1, 2], list[int]),
        ((1, 2.5), tuple[float, ...]),
        ((("a", 1),), tuple[tuple[str, int], ...]),
        ({"a": {"b": 1}}, dict[str, dict[str, float]]),
        ({"a": [object()]}, dict[str, Any]),
        (Inner((1, 2)), Inner),
    ],
)
def test_what_is_of_a_type_fits_it(value: Any, kind: Any) -> None:
    assert fits(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.5, int),
        (True, int),
        (False, float),
        (1, bool),
        (None, str),
        ("mild", Literal["warm", "cold"]),
        (["a"], list[int]),
        ([1], tuple[int, ...]),
        ((1, None), tuple[float, ...]),
        ((1, 2, 3), tuple[int, int]),
        ((("a", "b"),), tuple[tuple[str, int], ...]),
        ({"a": {"b": None}}, dict[str, dict[str, float]]),
        ({1: 1}, dict[str, int]),
        ([], dict[str, int]),
        (Inner(("a",)), Inner),  # type: ignore[arg-type]
        ("inner", Inner),
    ],
)
def test_what_is_not_does_not(value: Any, kind: Any) -> None:
    assert not fits(value, kind)


def test_the_field_that_does_not_fit_is_named_as_deep_as_it_lies() -> None:
    assert misfit(Outer(facts={"a": 1})) is None
    assert misfit(Outer(name=3)) == "name is '3', not str"  # type: ignore[arg-type]
    assert str(misfit(Outer(inner=Inner(curve=(None,))))).startswith("curve is '(None,)', not tuple")  # type: ignore[arg-type]
