"""Recipes by name: they stand for ordinary parameters, and nothing else."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bench.errors import BenchError
from bench.experiments.complete import complete_experiment
from bench.experiments.reader import load_experiment
from bench.experiments.scale import SCALES
from bench.experiments.scaling import scaled
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.adapters.recipes import OF_CROSS_ENCODERS, recipe_name
from bench.lm.pairs.model import PairRecipe
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


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        ("reccocktail", {"general_epochs": 2}),
        ("reccocktail", {"n_prompts": 100}),  # the paper's recipe states it
        ("reccocktail-wa", {"general_learning_rate": 1e-5}),
        ("second-finetune", {"target_epochs": 2}),
        ("lora", {"max_tokens": 512}),
        ("lora", {"pooling": "mean"}),
        ("xcross", {"target_epochs": 1}),
        ("xcross", {"target_examples": 100}),
    ],
)
def test_another_training_in_any_part_is_no_named_recipe(method: str, changed: dict[str, object]) -> None:
    recipes = registry().recommender(method).recipes
    assert recipe_name(params_of(method, **changed), recipes) == "own"


@pytest.mark.parametrize("changed", [{"patience": 1}, {"pooling": "mean"}])
def test_a_change_to_what_the_papers_recipe_leaves_at_its_default_is_one(changed: dict[str, object]) -> None:
    recipes = registry().recommender("xcross").recipes
    assert recipe_name(params_of("xcross", recipe="paper", **changed), recipes) == "own"


@pytest.mark.parametrize("name", ["fast", "paper"])
def test_how_adapters_are_merged_is_not_part_of_a_recipe(name: str) -> None:
    recipes = registry().recommender("weaverec").recipes
    params = params_of("weaverec", recipe=name, space="delta", target_weight=0.5)
    assert recipe_name(params, recipes) == name


def test_the_recipe_of_a_cross_encoder_is_compared_as_a_whole() -> None:
    assert {field.name for field in fields(PairRecipe)} - {field.name for field in fields(LoraRecipe)} == (
        OF_CROSS_ENCODERS
    )


@pytest.mark.parametrize("scale", [name for name in SCALES if name != "smoke"])
@pytest.mark.parametrize("paper", ["reccocktail-table1", "weaverec-table1", "xcross-table2"])
def test_the_papers_experiments_train_with_the_papers_recipe(paper: str, scale: str) -> None:
    experiment = scaled(load_experiment(f"{paper}-paper"), scale, registry())
    names = set()
    for _, spec in complete_experiment(experiment):
        recommender = registry().recommender(spec.method)
        if recommender.recipes:
            params = build_params(spec.method, recommender.Params, spec.params)
            names.add(recipe_name(params, recommender.recipes))
    assert names == {"paper"}


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
