"""Expand a request with several methods, seeds or values of hyperparameters into one request per combination."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.registry import registry
from bench.runs.params import takes_list

if TYPE_CHECKING:
    from bench.runs.request import RunRequest

OPENING, CLOSING = "[(", ")]"
ESCAPE = "\\"


def sweep_requests(request: RunRequest, methods: str | None, seeds: str | None) -> list[RunRequest] | None:
    """Return a request per combination, by method, parameters and seed; None if nothing has several values.

    Args:
        request: What all runs have in common; its parameters may have several values, separated by commas.
        methods: Names of methods, comma-separated, instead of that of the request.
        seeds: Seeds, comma-separated, instead of that of the request.

    Raises:
        BenchError: a list is empty or names a value twice, or there is no method.
    """
    if methods is not None and request.method:
        raise BenchError("Give --method or --methods, not both.")
    if methods is None and not request.method:
        raise BenchError("Missing option '--method' (or --methods). See 'bench run --help'.")
    if seeds is not None and request.seed:
        raise BenchError("Give --seed or --seeds, not both.")
    names = [request.method] if methods is None else _listed("--methods", methods)
    numbers = [request.seed] if seeds is None else [_seed(text) for text in _listed("--seeds", seeds)]
    found = [
        dataclasses.replace(request, method=name, params=params, seed=seed)
        for name in names
        for params in _combinations(name, request.params)
        for seed in numbers
    ]
    return found if len(found) > 1 or methods is not None or seeds is not None else None


def values_of(text: str) -> list[str]:
    """Split a text at its commas, except inside brackets and after a backslash, which is then left out."""
    values, depth, is_escaped = [""], 0, False
    for sign in text:
        if is_escaped:
            values[-1] += sign if sign == "," else ESCAPE + sign
        elif sign == "," and not depth:
            values.append("")
        elif sign != ESCAPE:
            depth = max(0, depth + (sign in OPENING) - (sign in CLOSING))
            values[-1] += sign
        is_escaped = sign == ESCAPE and not is_escaped
    return [*values[:-1], values[-1] + ESCAPE * is_escaped]


def _combinations(method: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each combination of values."""
    if not any(isinstance(value, str) and ("," in value or ESCAPE in value) for value in params.values()):
        return [dict(params)]
    kind = registry().recommender(method).Params
    values = [_values(kind, key, text) for key, text in params.items()]
    return [dict(zip(params, chosen, strict=True)) for chosen in itertools.product(*values)]


def _values(params_class: type, key: str, text: Any) -> list[Any]:
    """Return the values of one parameter; a list without brackets is one value of a parameter that is a list."""
    if not isinstance(text, str):
        return [text]
    if takes_list(params_class, key) and not text.strip().startswith(tuple(OPENING)):
        return [text]
    return _distinct(f"-p {key}", values_of(text))


def _listed(option: str, text: str) -> list[str]:
    return _distinct(option, [word.strip() for word in text.split(",")])


def _distinct(option: str, values: Sequence[str]) -> list[str]:
    if "" in values and len(values) > 1:
        raise BenchError(f"{option} has an empty value between commas; expected values such as {option} A,B.")
    if values == [""] and not option.startswith("-p"):
        raise BenchError(f"{option} is empty; expected values such as {option} A,B.")
    if len(set(values)) < len(values):
        raise BenchError(f"{option} names a value twice: {', '.join(values)}.")
    return list(values)


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BenchError(f"--seeds must be whole numbers, not '{text}'; expected --seeds 0,1,2.") from None
