"""Recipes by name: they stand for ordinary parameters, and nothing else."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.lm.adapters.recipes import recipe_name
from bench.lm.recommenders import recipe_of
from bench.registry import registry
from bench.runs.complete import complete
from bench.runs.params import build_params
from bench.runs.request import RunRequest

WITH_RECIPES = ("reccocktail", "reccocktail-g", "weaverec", "target-only", "tallrec", "xcross", "lora")


def params_of(method: str, **given):
    request = RunRequest(method, "beauty", "user-split" if method in ("xcross", "lora") else "warm", params=given)
    return build_params(method, registry().recommender(method).Params, complete(request).params)


@pytest.mark.parametrize("method", WITH_RECIPES)
def test_a_recipe_is_the_same_run_as_its_parameters_spelled_out(method: str) -> None:
    recipes = registry().recommender(method).recipes
    assert params_of(method, recipe="paper") == params_of(method, **recipes["paper"]) != params_of(method)
    assert params_of(method, recipe="fast") == params_of(method)


@pytest.mark.parametrize("method", WITH_RECIPES)
def test_the_record_names_the_recipe(method: str) -> None:
    recipes = registry().recommender(method).recipes
    names = [recipe_name(params_of(method, **given), recipes) for given in ({"recipe": "paper"}, {}, {"rank": 3})]
    assert names == ["paper", "fast", "own"]


def test_a_parameter_given_beside_a_recipe_wins() -> None:
    params = params_of("weaverec", recipe="paper", epochs="5")
    assert (params.epochs, params.batch_size, params.max_examples, params.learning_rate) == (5, 128, 40_000, 2e-4)


def test_so_does_one_given_by_its_short_name() -> None:
    params = params_of("weaverec", recipe="paper", lr="1e-3")
    assert (params.learning_rate, params.batch_size) == (1e-3, 128)


def test_shorter_prompts_are_not_the_papers() -> None:
    recipes = registry().recommender("weaverec").recipes
    for shorter in ({"title_words": 8}, {"candidates_in_prompt": False}):
        assert recipe_name(params_of("weaverec", recipe="paper", **shorter), recipes) == "own"


def test_general_and_target_adapters_have_recipes_of_their_own() -> None:
    params = params_of("reccocktail", recipe="paper")
    assert (params.epochs, params.max_examples) == (4, 52_000)
    assert (params.general_recipe.epochs, params.general_recipe.max_examples) == (2, 31_000)
    assert params.general_recipe.learning_rate == params.learning_rate
    usual = params_of("reccocktail")
    assert usual.general_recipe.epochs is usual.general_recipe.max_examples is None


def test_the_general_adapter_is_shared_with_the_method_that_uses_it_alone() -> None:
    merged, alone = params_of("reccocktail", recipe="paper"), params_of("reccocktail-g", recipe="paper")
    assert merged.general_recipe == recipe_of(alone)
    assert alone.epochs == 2


def test_ids_of_existing_runs_do_not_depend_on_the_new_parameters() -> None:
    spec = complete(RunRequest("reccocktail", "beauty"))
    assert not [name for name in spec.params if name.startswith("general_")]
    assert "recipe" not in spec.params


@pytest.mark.parametrize(("method", "recipe"), [("weaverec", "papre"), ("sasrec", "paper")])
def test_an_unknown_recipe_is_one_line(method: str, recipe: str) -> None:
    with pytest.raises(BenchError, match="recipe") as error:
        complete(RunRequest(method, "beauty", params={"recipe": recipe}))
    assert "\n" not in str(error.value)
