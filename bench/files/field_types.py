"""Check whether values read from a file have the types that a dataclass declares for its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Check = Callable[[Any], bool]


def misfit(instance: Any) -> str | None:
    """Describe the first field of a dataclass whose value does not have its declared type; None if there is none."""
    stated: Any = type(instance)
    for name, kind, check in _fields(stated):
        value = getattr(instance, name)
        if not check(value):
            inner = misfit(value) if dataclasses.is_dataclass(value) else None
            return inner or f"{name} is {str(value)[:40]!r}, not {getattr(kind, '__name__', kind)}"
    return None


def fits(value: Any, kind: Any) -> bool:
    """Whether a value has an annotated type: a class, dataclass, literal, union, or a container of these.

    Integers are accepted as floats; booleans are not.
    """
    return _check_of(kind)(value)


@cache
def _check_of(kind: Any) -> Check:
    """Return the check for a type; a store has thousands of records, so types are taken apart only once."""
    outer, inner = get_origin(kind), get_args(kind)
    if outer in (Union, UnionType):
        # None is quick to tell, and most of the fields that may be None are
        checks = sorted(map(_check_of, inner), key=lambda check: not check(None))
        return lambda value: any(check(value) for check in checks)
    if outer is Literal:
        return lambda value: value in inner
    if outer is not None:
        return _check_of_container(outer, inner)
    if dataclasses.is_dataclass(kind):
        return lambda value: isinstance(value, kind) and misfit(value) is None  # type: ignore[arg-type]
    return lambda value: kind is Any or type(value) is kind or _is_plain(type(value), kind)


def _check_of_container(outer: Any, inner: tuple[Any, ...]) -> Check:
    """Return the check for a tuple, list or mapping and its elements."""
    if issubclass(outer, Mapping):
        keys, values = map(_check_of_all, inner)
        return lambda value: isinstance(value, outer) and keys(value.keys()) and values(value.values())
    if outer is not tuple or inner[-1:] == (Ellipsis,):
        elements = _check_of_all(inner[0])
        return lambda value: isinstance(value, outer) and elements(value)
    checks = tuple(map(_check_of, inner))
    return lambda value: (
        isinstance(value, outer)
        and len(value) == len(checks)
        and all(check(one) for check, one in zip(checks, value, strict=True))
    )


def _check_of_all(kind: Any) -> Check:
    """Return the check for a collection of values of one type."""
    if get_origin(kind) is None and not dataclasses.is_dataclass(kind):  # curves are long but have few types
        usual = {int, float} if kind is float else {kind}
        return lambda values: (
            kind is Any or (found := set(map(type, values))) <= usual or all(_is_plain(one, kind) for one in found)
        )
    check = _check_of(kind)
    return lambda values: all(map(check, values))


def _is_plain(found: type, kind: Any) -> bool:
    return found in (int, float) if kind is float else issubclass(found, kind) and (found is not bool or kind is bool)


@cache
def _fields(of: Any) -> tuple[tuple[str, Any, Check], ...]:
    """Return name, type and check of each field of a dataclass."""
    hints = get_type_hints(of)
    return tuple((item.name, hints[item.name], _check_of(hints[item.name])) for item in dataclasses.fields(of))
