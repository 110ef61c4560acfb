"""Check whether values read from a file have the types that a dataclass declares for its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def misfit(instance: Any) -> str | None:
    """Describe the first field of a dataclass whose value does not have its declared type; None if there is none."""
    stated: Any = type(instance)
    for name, kind in _kinds(stated).items():
        value = getattr(instance, name)
        if not fits(value, kind):
            inner = misfit(value) if dataclasses.is_dataclass(value) else None
            return inner or f"{name} is {str(value)[:40]!r}, not {getattr(kind, '__name__', kind)}"
    return None


def fits(value: Any, kind: Any) -> bool:
    """Whether a value has an annotated type: a class, dataclass, literal, union, or a container of these.

    Integers are accepted as floats; booleans are not.
    """
    outer, inner = get_origin(kind), get_args(kind)
    if outer in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if outer is Literal:
        return value in inner
    if outer is not None:
        return _holds(value, outer, inner)
    if dataclasses.is_dataclass(kind):
        return isinstance(value, kind) and misfit(value) is None  # type: ignore[arg-type]
    return kind is Any or _is_plain(type(value), kind)


def _holds(value: Any, outer: Any, inner: tuple[Any, ...]) -> bool:
    """Whether a value is a tuple, list or mapping whose elements fit as well."""
    if not isinstance(value, outer):
        return False
    if issubclass(outer, Mapping):
        return _all_fit(tuple(value), inner[0]) and _all_fit(value.values(), inner[1])
    return _fit_in_order(value, inner) if outer is tuple else _all_fit(value, inner[0])


def _fit_in_order(values: tuple[Any, ...], kinds: tuple[Any, ...]) -> bool:
    if kinds[-1:] == (Ellipsis,):
        return _all_fit(values, kinds[0])
    return len(values) == len(kinds) and all(fits(value, kind) for value, kind in zip(values, kinds, strict=True))


def _all_fit(values: Any, kind: Any) -> bool:
    if get_origin(kind) is None and not dataclasses.is_dataclass(kind):  # curves are long but have few types
        return kind is Any or all(_is_plain(found, kind) for found in set(map(type, values)))
    return all(fits(value, kind) for value in values)


def _is_plain(found: type, kind: Any) -> bool:
    return found in (int, float) if kind is float else issubclass(found, kind) and (found is not bool or kind is bool)


@cache
def _kinds(of: Any) -> dict[str, Any]:
    hints = get_type_hints(of)
    return {item.name: hints[item.name] for item in dataclasses.fields(of)}
