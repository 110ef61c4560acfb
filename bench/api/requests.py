"""Convert keyword arguments to a run request."""

from __future__ import annotations

import operator
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from bench.errors import BenchError, did_you_mean
from bench.registry import registry
from bench.runs.request import PARAMS, RequestOption, RunRequest, request_options

if typing.TYPE_CHECKING:
    from bench.plugin import Recommender

CONVERTERS: dict[Any, Callable[[Any], Any]] = {int: operator.index, float: float}
"""Converters that accept any integer or float type, such as numpy's."""


def on_stderr(line: str) -> None:
    """Print a progress line on standard error."""
    print(line, file=sys.stderr)  # noqa: T201  # where a notebook shows it


def request_of(method: str | type[Recommender], dataset: str, options: Mapping[str, Any]) -> RunRequest:
    """Return the request for keyword arguments.

    Args:
        method: A registered name or class.
        dataset: The dataset's name.
        options: Field of :class:`RunRequest` -> value; None means the default.

    Raises:
        BenchError: an option is unknown, or its value has the wrong type.
    """
    known = {option.name: option for option in request_options() if not option.is_required}
    for name in options:
        if name not in known:
            raise BenchError(
                f"bench.run has no option '{name}'.{did_you_mean(name, known)} See help(bench.RunRequest)."
            )
    values = {name: _converted(known[name], value) for name, value in options.items() if value is not None}
    return RunRequest(method_name(method), dataset, **values)


def method_name(method: str | type[Recommender]) -> str:
    """Return a method's name; raise BenchError for a class that is not registered, or whose name is taken."""
    if isinstance(method, str):
        return method
    entry = vars(method).get("entry")
    if entry is None:
        raise BenchError(f"{method.__qualname__} has no name; decorate it with @bench.register(...).")
    if registry().recommender(entry.name) is not method:
        taken = registry().entry(entry.name).target
        raise BenchError(f"The name '{entry.name}' is taken by {taken}; register your method under another name.")
    return str(entry.name)


def _converted(option: RequestOption, value: Any) -> Any:
    """Return a value converted to the type of its field."""
    kind = option.kind
    try:
        if typing.get_origin(kind) is tuple:
            return tuple(word.strip() for word in value.split(",")) if isinstance(value, str) else tuple(value)
        if kind in CONVERTERS:
            return CONVERTERS[kind](value)
    except (TypeError, ValueError):
        raise _wrong_type(option, value) from None
    expected = Mapping if option.name == PARAMS else kind if isinstance(kind, type) else str
    if not isinstance(value, expected):
        raise _wrong_type(option, value)
    return value


def _wrong_type(option: RequestOption, value: Any) -> BenchError:
    expected = "dict" if option.name == PARAMS else getattr(option.kind, "__name__", "str")
    return BenchError(f"Option '{option.name}' must be of type {expected}, not {value!r}. See help(bench.RunRequest).")
