from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.runs.params import aliases_of, build_params, overrides, parse_assignments


@dataclass(frozen=True)
class Params:
    layers: int = 2
    dropout: float = 0.5
    loss: Literal["ce", "bce"] = "ce"
    width: Literal[64, 128] = 64
    limit: int | None = None
    share: Optional[float] = None  # noqa: UP045 - both spellings occur
    biased: bool = False
    label: str = "plain"
    sizes: tuple = (64, 32)  # type: ignore[type-arg]


Unset = dataclasses.make_dataclass("Unset", [("path", type(None), None)], frozen=True)


def built(**given_values: Any) -> Any:
    return build_params("example", Params, given_values)


def test_nothing_given_leaves_the_defaults() -> None:
    assert built() == Params()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("layers", "3", 3),
        ("layers", "-1", -1),
        ("dropout", "1e-3", 0.001),
        ("dropout", "1", 1.0),
        ("loss", "bce", "bce"),
        ("width", "128", 128),
        ("limit", "7", 7),
        ("limit", "None", None),
        ("limit", "none", None),
        ("share", "0.25", 0.25),
        ("share", "none", None),
        ("biased", "true", True),
        ("biased", "Yes", True),
        ("biased", "0", False),
        ("biased", "false", False),
        ("label", "none", "none"),
        ("label", "", ""),
        ("label", "a=b", "a=b"),
        ("sizes", "64,32", (64, 32)),
        ("sizes", "[16, 8]", (16, 8)),
        ("sizes", "(16, a)", (16, "a")),
        ("sizes", "7", (7,)),
    ],
)
def test_texts_become_values_of_the_fields_type(name: str, text: str, value: Any) -> None:
    converted = getattr(built(**{name: text}), name)
    assert converted == value
    assert type(converted) is type(value)


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none() | st.integers())
def test_values_survive_the_way_through_text(layers: int, dropout: float, biased: bool, limit: int | None) -> None:
    params = Params(layers=layers, dropout=dropout, biased=biased, limit=limit)
    texts = {name: str(getattr(params, name)) for name in ("layers", "dropout", "biased", "limit")}
    assert built(**texts) == params
    assert built(**dataclasses.asdict(params)) == params


def test_values_of_a_file_keep_their_type() -> None:
    params = built(layers=3, dropout=1, biased=True, limit=None, sizes=[8, 4])
    assert (params.layers, params.biased, params.limit, params.sizes) == (3, True, None, (8, 4))
    assert isinstance(params.dropout, float)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("layers", "many", "of type int, not 'many'"),
        ("layers", "2.5", "of type int, not '2.5'"),
        ("layers", 2.0, "of type int, not 2.0"),
        ("layers", True, "of type int, not True"),
        ("layers", None, "of type int, not None"),
        ("dropout", "half", "of type float, not 'half'"),
        ("dropout", "nan", "of type float, not 'nan'"),
        ("dropout", "-inf", "of type float, not '-inf'"),
        ("dropout", False, "of type float, not False"),
        ("dropout", [0.5], r"of type float, not \[0.5\]"),
        ("loss", "mse", "ce or bce, not 'mse'"),
        ("width", "65", "64 or 128, not '65'"),
        ("limit", "few", r"of type int \| None, not 'few'"),
        ("biased", "perhaps", "of type bool, not 'perhaps'"),
        ("label", None, "of type str, not None"),
        ("sizes", "{", "of type tuple, not '{'"),
        ("sizes", 3, "of type tuple, not 3"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_was_expected(name: str, value: Any, expected: str) -> None:
    with pytest.raises(BenchError, match=f"Parameter '{name}' of 'example' must be {expected}") as error:
        built(**{name: value})
    assert str(error.value).endswith("See 'bench describe example'.")
    assert "\n" not in str(error.value)


def test_an_unset_parameter_of_unknown_type_stays_unset() -> None:
    assert build_params("example", Unset, {"path": None}).path is None


def test_a_misspelled_key_says_which_is_near() -> None:
    with pytest.raises(BenchError, match=r"'example' has no parameter 'droput'. Did you mean dropout\?"):
        built(droput="0.1")


def test_a_strange_key_says_which_there_are() -> None:
    with pytest.raises(BenchError, match=r"Its parameters are layers, dropout, loss.*bench describe example"):
        built(zzz="1")


@given(st.dictionaries(st.text(st.characters(blacklist_characters="=")), st.text()))
def test_words_are_split_at_the_first_equals_sign(pairs: dict[str, str]) -> None:
    assert parse_assignments(tuple(f"{key}={value}" for key, value in pairs.items())) == pairs


def test_a_word_without_a_value_is_refused() -> None:
    with pytest.raises(BenchError, match=r"Parameter 'dropout' has no value; expected -p dropout=VALUE\."):
        parse_assignments(("layers=2", "dropout"))


def test_overrides_are_what_differs_from_the_defaults() -> None:
    assert overrides(Params()) == {}
    assert overrides(built(layers="2", dropout="0.1", limit="5")) == {"dropout": 0.1, "limit": 5}


Trained = dataclasses.make_dataclass(
    "Trained", [("learning_rate", float, 0.1), ("embedding_size", int, 8), ("hidden_size", int, 16)], frozen=True
)
WithAlias = dataclasses.make_dataclass("WithAlias", [("lr", float, 0.1), ("learning_rate", float, 0.2)], frozen=True)


def test_an_alias_stands_for_the_full_name() -> None:
    assert build_params("example", Trained, {"lr": "0.5"}) == Trained(learning_rate=0.5)


def test_a_name_may_be_in_any_case() -> None:
    assert build_params("example", Trained, {"LR": "0.5", "Hidden_Size": "4"}) == Trained(0.5, 8, 4)
    assert build_params("example", WithAlias, {"Lr": "0.5"}) == WithAlias(lr=0.5, learning_rate=0.2)


def test_an_alias_for_several_parameters_is_refused_with_their_names() -> None:
    with pytest.raises(BenchError, match="ambiguous: it stands for embedding_size and hidden_size"):
        build_params("example", Trained, {"dim": "4"})


def test_a_parameter_given_by_both_of_its_names_is_refused() -> None:
    with pytest.raises(BenchError, match="'learning_rate' of 'example' is given twice, once as 'learning_rate'"):
        build_params("example", Trained, {"lr": "0.5", "learning_rate": "0.1"})


def test_a_parameter_that_is_named_like_an_alias_is_meant_itself() -> None:
    assert build_params("example", WithAlias, {"lr": "0.5"}) == WithAlias(lr=0.5, learning_rate=0.2)
    assert aliases_of("learning_rate", ["lr", "learning_rate"]) == []


def test_an_alias_without_its_parameter_is_unknown() -> None:
    with pytest.raises(BenchError, match="has no parameter 'lr'"):
        build_params("example", Params, {"lr": "0.5"})


def test_only_aliases_that_stand_for_one_parameter_are_shown() -> None:
    names = [field.name for field in dataclasses.fields(Trained)]
    assert [aliases_of(name, names) for name in names] == [["lr"], [], []]
