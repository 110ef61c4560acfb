"""Every number that a method can be given has a range, and what is out of it is refused before anything is run."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from bench.baselines.recbole_models import zoo

from bench.errors import BenchError
from bench.plugin.ranges import allows, described
from bench.registry import registry
from bench.runs.complete import complete
from bench.runs.params import allowed_values, build_params
from bench.runs.request import RunRequest

METHODS = [name for name, entry in registry().entries.items() if not entry.wraps and entry.target.startswith("bench.")]
RECBOLE_CLASSES = [name for name in zoo.model_modules() if name not in zoo.UNSUPPORTED]
WITHOUT_RANGE = {"n_facet_MLP", "n_facet_window"}
"""Of these a negative number counts from the last."""

NONSENSE = [
    *[("sasrec", word) for word in ("epochs=0", "epochs=-1", "batch_size=-1", "batch_size=0", "dimensions=0")],
    *[("sasrec", word) for word in ("dimensions=-3", "inner_dimensions=0", "learning_rate=0", "learning_rate=-1")],
    *[("sasrec", word) for word in ("patience=-1", "patience=0", "heads=3", "heads=0", "heads=-2", "layers=0")],
    *[("sasrec", word) for word in ("layers=-1", "dropout=2", "dropout=1", "dropout=-0.1", "max_length=0")],
    *[("sasrec", word) for word in ("weight_decay=-1", "loss=x", "learning_rate=nan", "dimensions=1.5")],
    *[("bpr", word) for word in ("learning_rate=1e30", "dimensions=0", "epochs=-1", "batch_size=0", "weight_decay=-1")],
    *[("reccocktail-s", word) for word in ("rank=0", "alpha=0", "dropout=1", "max_examples=-1", "max_history=0")],
    *[("reccocktail-s", word) for word in ("decay_share=2", "decay_share=-1", "warmup_steps=-1", "n_negatives=-1")],
    *[("reccocktail-s", word) for word in ("learning_rate=0", "epochs=0", "n_validation=-1", "adapted_layers=-1")],
    *[("reccocktail", word) for word in ("n_prompts=0", "prompts_a_step=0", "granularity=x", "space=x", "passes=0")],
    *[("reccocktail", word) for word in ("entropy_tokens=0", "entropy_learning_rate=-1", "search=x")],
    *[("unisrec", word) for word in ("heads=3", "temperature=0", "item_drop=1", "word_drop=-1", "pretrain_epochs=-1")],
    *[("bert4rec", word) for word in ("mask_share=0", "mask_share=2", "copies=0", "last_only_share=2", "heads=5")],
    *[("recformer", word) for word in ("max_examples=0", "title_tokens=0", "mlm_weight=-1")],
    *[("recbole:SASRec", word) for word in ("n_heads=3", "hidden_size=0", "attn_dropout_prob=1", "n_layers=0")],
    *[("recbole:NARM", word) for word in ("dropout_probs=0.5,1", "n_layers=0", "embedding_size=-1")],
    *[("recbole:NeuMF", word) for word in ("mlp_hidden_size=64,0", "mlp_hidden_size=a,b", "learning_rate=2")],
]


@pytest.mark.parametrize(("method", "word"), NONSENSE)
def test_a_value_without_meaning_is_refused_before_anything_is_run(method: str, word: str) -> None:
    name, _, value = word.partition("=")
    request = RunRequest(method, "shop", params={name: value}, sources=("other",) if method == "reccocktail" else ())
    with pytest.raises(BenchError) as refused:
        complete(request)
    message = str(refused.value)
    assert message.startswith(f"Parameter '{name}' of '{method}' must be ")
    assert message.endswith(f"See 'bench describe {method}'.")
    assert "\n" not in message


@pytest.mark.parametrize("method", METHODS)
def test_every_number_of_a_method_declares_its_range_and_has_its_default_in_it(method: str) -> None:
    check_fields(registry().recommender(method).Params, set())


@pytest.mark.parametrize("name", RECBOLE_CLASSES)
def test_every_number_of_a_recbole_class_has_a_range_with_its_default_in_it(name: str) -> None:
    check_fields(zoo.params_class(name), WITHOUT_RANGE)


def check_fields(params_class: Any, without: set[str]) -> None:
    types = typing.get_type_hints(params_class)
    numbers = [item for item in dataclasses.fields(params_class) if {int, float} & set(kinds(types[item.name]))]
    assert [item.name for item in numbers if not described(item.metadata) and item.name not in without] == []
    assert [item.name for item in numbers if not allows(item.metadata, item.default)] == []


def kinds(hint: Any) -> tuple[Any, ...]:
    return () if typing.get_origin(hint) is typing.Literal else (hint, *typing.get_args(hint))


@pytest.mark.parametrize("method", METHODS)
def test_the_defaults_of_every_method_are_accepted(method: str) -> None:
    params_class = registry().recommender(method).Params
    assert build_params(method, params_class, dataclasses.asdict(params_class())) == params_class()


@pytest.mark.parametrize("name", RECBOLE_CLASSES)
def test_the_defaults_of_every_recbole_class_are_accepted(name: str) -> None:
    params_class = zoo.params_class(name)
    assert build_params(name, params_class, {}) == params_class()


def test_what_a_parameter_may_be_is_told_in_words() -> None:
    allowed = allowed_values(registry().recommender("sasrec").Params)
    assert allowed["heads"] == "at least 1 and a divisor of dimensions"
    assert allowed["dropout"] == "at least 0 and below 1"
    assert allowed["loss"] == "ce or bce"


def test_a_parameter_is_checked_against_the_other_that_was_given() -> None:
    params_class = registry().recommender("sasrec").Params
    assert build_params("sasrec", params_class, {"heads": "3", "dimensions": "48"}).heads == 3
    with pytest.raises(BenchError, match=r"Parameter 'heads' of 'sasrec' must be .* a divisor of dimensions, not 2"):
        build_params("sasrec", params_class, {"dimensions": "33"})
