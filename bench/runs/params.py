"""Hyperparameters: parse ``key=value`` words or YAML values into a recommender's frozen ``Params``."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import math
import textwrap
import typing
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

from bench.errors import BenchError, did_you_mean
from bench.plugin.ranges import allows, described, divides_other

if TYPE_CHECKING:
    from bench.plugin import Recommender

RECIPE = "recipe"
"""The parameter that stands for a method's named set of parameters."""
ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lr": ("learning_rate",),
        "wd": ("weight_decay",),
        "bs": ("batch_size",),
        "dim": ("dimensions", "embedding_size", "hidden_size"),
        "max_len": ("max_length",),
        "n_layers": ("layers",),
        "n_heads": ("heads",),
        "lora_r": ("rank", "lora_rank"),
    }
)
"""Further names of parameters that users may give. Specs and records contain the full names, so ids do not depend on
them. A method that has a parameter with the name of an alias means this one."""
TRUE_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_assignments(words: tuple[str, ...]) -> dict[str, str]:
    """Split ``key=value`` strings; raise BenchError for a string without ``=``, or a key that is given twice."""
    pairs = [word.partition("=") for word in words]
    found: dict[str, str] = {}
    for key, equals, value in pairs:
        if not equals:
            raise BenchError(f"Parameter '{key}' has no value; expected -p {key}=VALUE.")
        if key in found:
            raise BenchError(f"Parameter '{key}' is given twice: give -p {key}=VALUE once.")
        found[key] = value
    return found


def takes_list(params_class: type, key: str) -> bool:
    """Whether a parameter, named in full or by an alias, is a list of values."""
    types = typing.get_type_hints(params_class)
    meant = aliased(key, types) or [key]
    kinds = [kind for name in meant for kind in (types.get(name), *typing.get_args(types.get(name)))]
    return any(kind is tuple or typing.get_origin(kind) is tuple for kind in kinds)


def build_params(method: str, params_class: type, given: Mapping[str, Any]) -> Any:
    """Build a ``Params`` dataclass, converting strings to each field's type.

    Raises:
        BenchError: an unknown key (similar names are suggested), a value of the wrong type or outside
            the declared range (see :mod:`bench.plugin.ranges`).
    """
    types = typing.get_type_hints(params_class)
    names = [field.name for field in dataclasses.fields(params_class)]
    given = with_full_names(method, names, given)
    for key in given:
        if key not in names:
            hint = did_you_mean(key, names) or (f" Its parameters are {', '.join(names)}." if names else "")
            raise BenchError(f"Method '{method}' has no parameter '{key}'.{hint} See 'bench describe {method}'.")
    params = params_class(**{key: _converted(method, key, value, types[key]) for key, value in given.items()})
    _check_ranges(method, params)
    return params


def with_recipe(method: str, recommender: type[Recommender], given: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the parameter ``recipe``, if it is given, by the parameters of that recipe; the others given win.

    Raises:
        BenchError: the method has no recipe of this name, or a parameter is given twice.
    """
    recipes = recommender.recipes
    if RECIPE not in given or not recipes:
        return dict(given)
    names = [field.name for field in dataclasses.fields(recommender.Params)]
    others = with_full_names(method, names, {key: value for key, value in given.items() if key != RECIPE})
    name = str(given[RECIPE])
    if name not in recipes:
        expected = " or ".join(recipes)
        raise BenchError(
            f"Parameter '{RECIPE}' of '{method}' must be {expected}, not '{name}'.{did_you_mean(name, recipes)} "
            f"See 'bench describe {method}'."
        )
    return {**recipes[name], **others}


def with_full_names(method: str, names: Collection[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given values under the full names of their parameters.

    Raises:
        BenchError: an alias stands for several parameters of the method, or a parameter is given twice.
    """
    found: dict[str, Any] = {}
    for key, value in given.items():
        meant = aliased(key, names)
        if len(meant) > 1:
            raise BenchError(
                f"Parameter '{key}' of '{method}' is ambiguous: it stands for {' and '.join(meant)}; give one of them. "
                f"See 'bench describe {method}'."
            )
        name = meant[0] if meant else key
        if name in found:
            raise BenchError(f"Parameter '{name}' of '{method}' is given twice, once as '{key}'; give it once.")
        found[name] = value
    return found


def aliased(key: str, names: Collection[str]) -> list[str]:
    """Return the parameters among ``names`` that an alias or a name in another case stands for.

    There are none if it is a name itself, or neither of them.
    """
    if key in names:
        return []
    lower = key.lower()
    return [lower] if lower in names else [name for name in ALIASES.get(lower, ()) if name in names]


def aliases_of(name: str, names: Collection[str]) -> list[str]:
    """Return the aliases that stand for one of the parameters ``names`` and for no other."""
    return [alias for alias in ALIASES if aliased(alias, names) == [name]]


def allowed_values(params_class: type) -> dict[str, str]:
    """Return parameter name -> allowed values in words: choices or a range; empty for any value of the type."""
    types = typing.get_type_hints(params_class)
    return {
        field.name: _choices(types[field.name]) or described(field.metadata)
        for field in dataclasses.fields(params_class)
    }


def named_params(params: Any) -> dict[str, Any]:
    """Return the parameters that a run's spec contains: all except neutral ones at their default.

    A parameter added to a method later, whose default changes nothing, is declared as
    ``field(default=…, metadata={"neutral": True})``: runs at that default then keep their ids.
    """
    neutral = neutral_defaults(type(params))
    values = dataclasses.asdict(params)
    return {name: value for name, value in values.items() if name not in neutral or value != neutral[name]}


def neutral_defaults(params_class: type) -> dict[str, Any]:
    """Return the defaults that are declared neutral."""
    neutral = {field.name for field in dataclasses.fields(params_class) if field.metadata.get("neutral")}
    return {name: value for name, value in dataclasses.asdict(params_class()).items() if name in neutral}


def overrides(params: Any) -> dict[str, Any]:
    """Return the parameters that differ from their defaults."""
    defaults = type(params)()
    fields = [field.name for field in dataclasses.fields(params)]
    return {name: getattr(params, name) for name in fields if getattr(params, name) != getattr(defaults, name)}


def _check_ranges(method: str, params: Any) -> None:
    values = dataclasses.asdict(params)
    for field in dataclasses.fields(params):
        value = values[field.name]
        if not (allows(field.metadata, value) and divides_other(field.metadata, value, values)):
            expected = f"must be {described(field.metadata)}, not {value!r}"
            raise BenchError(f"Parameter '{field.name}' of '{method}' {expected}. See 'bench describe {method}'.")


def _converted(method: str, key: str, value: Any, wanted: Any) -> Any:
    try:
        return _convert(value, wanted)
    except (TypeError, ValueError, KeyError):
        expected = f"must be {_described(wanted)}, not {value!r}"
        raise BenchError(f"Parameter '{key}' of '{method}' {expected}. See 'bench describe {method}'.") from None


def _described(wanted: Any) -> str:
    return _choices(wanted) or f"of type {wanted.__name__ if isinstance(wanted, type) else wanted}"


def _choices(wanted: Any) -> str:
    is_choice = typing.get_origin(wanted) is typing.Literal
    return " or ".join(map(str, typing.get_args(wanted))) if is_choice else ""


def _convert(value: Any, wanted: Any) -> Any:
    options = typing.get_args(wanted)
    if typing.get_origin(wanted) is typing.Literal:
        return {str(option): option for option in options}[str(value)]
    if type(None) in (*options, wanted) and (value is None or str(value).lower() == "none"):
        return None
    if type(None) in options:
        return _convert(value, next(option for option in options if option is not type(None)))
    if wanted is type(None):
        return value  # a wrapped model's parameter without a default has no known type
    if wanted is bool:
        return value if isinstance(value, bool) else TRUE_WORDS[str(value).lower()]
    return _sequence(value) if wanted is tuple else _scalar(value, wanted)


def _scalar(value: Any, wanted: Any) -> Any:
    if value is None or isinstance(value, bool) or (wanted is int and isinstance(value, float)):
        raise TypeError(f"{value!r} is not of type {wanted}")
    converted = wanted(value)
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError("run records only contain finite numbers")
    return converted


def _sequence(value: Any) -> tuple[Any, ...]:
    """Return a tuple; a string such as ``64,32`` or ``[64, 32]`` is parsed as a YAML list."""
    if not isinstance(value, str):
        return tuple(value)
    import yaml

    try:
        return tuple(yaml.safe_load(f"[{value.strip().strip('[]()')}]"))
    except yaml.YAMLError as error:
        raise ValueError(value) from error


def field_docstrings(dataclass_type: type) -> dict[str, str]:
    """Return field name → docstring under the field, including base classes; empty without source code."""
    found: dict[str, str] = {}
    for base in reversed(dataclass_type.__mro__):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for statement, following in itertools.pairwise(statements):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and _is_text(following):
                found[statement.target.id] = " ".join(str(ast.literal_eval(following.value)).split())
    return found


def _is_text(statement: ast.stmt) -> TypeGuard[ast.Expr]:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
