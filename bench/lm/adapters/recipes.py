"""Named recipes: the parameters with which the papers train adapters, selected with ``-p recipe=NAME``.

A recipe is a set of ordinary parameters, so a run with a recipe and one with the same parameters spelled out are the
same run and share adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from bench.lm.adapters.adapter import LoraRecipe

Recipe = Mapping[str, Any]

FAST: Recipe = MappingProxyType({})
"""The defaults, which depend on the kind of backbone."""
OF_DECODERS: Recipe = MappingProxyType(
    {
        "rank": 16,
        "alpha": 32,
        "dropout": 0.05,
        "learning_rate": 2e-4,
        "batch_size": 128,
        "adapted_layers": 0,
        "max_history": 100,
        "title_words": 0,
        "candidates_in_prompt": True,
    }
)
"""What RecCocktail and WeaveRec share. A prompt shows the history that fits in 1,200 tokens, which 100 items never do.

RecCocktail states learning rates of 1e-4 and 2e-4 without saying where; WeaveRec states 2e-4."""
WEAVEREC: Recipe = MappingProxyType({**OF_DECODERS, "max_examples": 40_000, "epochs": 2, "warmup_steps": 60})
"""40,000 examples per domain, 2 epochs; warm-up of 5% of the 1,250 steps of a hybrid."""
INGREDIENT: Recipe = MappingProxyType({**OF_DECODERS, "max_examples": 52_000, "epochs": 4, "warmup_steps": 80})
"""RecCocktail's target adapter: about 52,000 examples, 4 epochs."""
BASE_SPIRIT: Recipe = MappingProxyType({"max_examples": 31_000, "epochs": 2})
"""RecCocktail's general adapter: 247,872 examples of eight domains, 2 epochs."""
XCROSS: Recipe = MappingProxyType(
    {
        "max_examples": 0,
        "epochs": 40,
        "batch_size": 1,
        "learning_rate": 5e-5,
        "max_tokens": 512,
        "max_history": 15,
        "n_validation": 0,
    }
)
"""All users, 40 epochs, one user per step, 512 tokens."""
XCROSS_TARGET: Recipe = MappingProxyType(
    {"target_examples": 0, "target_epochs": 40, "target_batch_size": 1, "target_learning_rate": 5e-5}
)
"""The same for the integration of adapters on the target."""


def recipe_name(params: LoraRecipe, recipes: Mapping[str, Recipe]) -> str:
    """Return the name of the recipe that parameters follow; ``own`` if they follow none.

    A recipe leaves what it does not state at the defaults. Parameters that neither belong to a training nor stand in
    one of the method's recipes, such as the space of a merge, may have any value.
    """
    usual = type(params)()
    compared = {field.name for field in fields(params) if _is_of_training(field.name)}.union(*recipes.values())

    def follow(recipe: Recipe) -> bool:
        return all(getattr(params, name) == recipe.get(name, getattr(usual, name)) for name in compared)

    return next((name for name, recipe in {"fast": FAST, **recipes}.items() if follow(recipe)), "own")


OF_CROSS_ENCODERS = frozenset({"max_tokens", "pooling"})
"""What the recipe of a cross-encoder's adapter adds to :class:`LoraRecipe`."""
_RECIPE = OF_CROSS_ENCODERS.union(field.name for field in fields(LoraRecipe))
_TRAININGS = ("", "general_", "target_")
"""Prefixes of the parameters of each training: a method may train a general adapter or on the target differently."""


def _is_of_training(name: str) -> bool:
    return any(name.removeprefix(prefix) in _RECIPE for prefix in _TRAININGS)
