from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from bench.registry import registry
from bench.runs.params import field_docstrings


@dataclass(frozen=True)
class Base:
    """What stands at the top belongs to the class."""

    layers: int = 2
    """Number of layers,
    told on two lines."""
    bare: int = 0
    dropout: float = 0.5
    """Share of units
    dropped."""


@dataclass(frozen=True)
class Derived(Base):
    dropout: float = 0.1
    """Said anew."""
    own: int = 1
    """Of the derived class."""

    def method(self) -> int:
        """Not of a field."""
        return self.own


def test_the_text_under_a_field_is_found() -> None:
    assert field_docstrings(Base) == {
        "layers": "Number of layers, told on two lines.",
        "dropout": "Share of units dropped.",
    }


def test_fields_of_base_classes_are_described_and_may_be_said_anew() -> None:
    assert field_docstrings(Derived) == {
        "layers": "Number of layers, told on two lines.",
        "dropout": "Said anew.",
        "own": "Of the derived class.",
    }


def test_a_class_inside_a_function_is_read_too() -> None:
    @dataclass
    class Inner:
        rank: int = 4
        """Columns of an adapter."""

    assert field_docstrings(Inner) == {"rank": "Columns of an adapter."}


def test_a_class_without_a_source_has_no_texts_of_its_own() -> None:
    made = dataclasses.make_dataclass("Made", [("own", int, 1)], bases=(Base,), frozen=True)
    assert field_docstrings(made) == field_docstrings(Base)
    assert field_docstrings(dataclasses.make_dataclass("Alone", [("own", int, 1)])) == {}


@pytest.mark.parametrize("name", [name for name, entry in registry().entries.items() if not entry.wraps])
def test_every_hyper_parameter_says_what_it_means(name: str) -> None:
    params_class = registry().recommender(name).Params
    fields = {field.name for field in dataclasses.fields(params_class)}
    assert set(field_docstrings(params_class)) == fields
