"""Declare ranges of hyperparameters in ``Params``, to check them before anything runs.

A field of a recommender's ``Params`` declares its range in its metadata; several parts are joined by ``|``::

    batch_size: int = field(default=256, metadata=at_least(1))
    dropout: float = field(default=0.5, metadata=at_least(0) | below(1))
    heads: int = field(default=2, metadata=at_least(1) | divides("dimensions"))

None is always in range, and every value of a tuple must be.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Limits = dict[str, Any]
"""Metadata of a field: limits by name."""

DIVIDES, ONLY = "divides", "only"
_HOLDS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        "above": ("above {}", operator.gt),
        "minimum": ("at least {}", operator.ge),
        "below": ("below {}", operator.lt),
        "maximum": ("at most {}", operator.le),
    }
)


def at_least(minimum: float) -> Limits:
    """Allow ``minimum`` and larger values."""
    return {"minimum": minimum}


def above(limit: float) -> Limits:
    """Allow only values larger than ``limit``."""
    return {"above": limit}


def at_most(maximum: float) -> Limits:
    """Allow ``maximum`` and smaller values."""
    return {"maximum": maximum}


def below(limit: float) -> Limits:
    """Allow only values smaller than ``limit``."""
    return {"below": limit}


def between(minimum: float, maximum: float) -> Limits:
    """Allow values between two limits, both included."""
    return at_least(minimum) | at_most(maximum)


def divides(other: str) -> Limits:
    """Allow only values that divide the named parameter without a remainder."""
    return {DIVIDES: other}


def only(value: Any) -> Limits:
    """Allow only this value, the default."""
    return {ONLY: value}


def described(facts: Mapping[str, Any]) -> str:
    """Return a description of the range in a field's metadata, such as ``at least 0 and below 1``; empty for none."""
    limits = [words.format(facts[name]) for name, (words, _) in _HOLDS.items() if facts.get(name) is not None]
    divided = [f"a divisor of {facts[DIVIDES]}"] if DIVIDES in facts else []
    fixed = [f"{facts[ONLY]!r}, which cannot be changed"] if ONLY in facts else []
    return " and ".join([*limits, *divided, *fixed])


def allows(facts: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value is within the limits in a field's metadata."""
    if ONLY in facts:
        return bool(value == facts[ONLY])
    limits = [(holds, facts[name]) for name, (_, holds) in _HOLDS.items() if facts.get(name) is not None]
    if value is None or not limits:
        return True
    values = value if isinstance(value, tuple) else (value,)
    return all(_is_number(one) and all(holds(one, limit) for holds, limit in limits) for one in values)


def divides_other(facts: Mapping[str, Any], value: Any, values: Mapping[str, Any]) -> bool:
    """Return whether a value divides the parameter that its metadata names, if it names one."""
    return DIVIDES not in facts or value is None or values[facts[DIVIDES]] % value == 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
