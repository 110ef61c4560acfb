"""What a user can choose about an import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

TimeUnit = Literal["auto", "iso", "seconds", "milliseconds", "microseconds", "nanoseconds"]
TIME_UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)


@dataclass(frozen=True)
class ImportOptions:
    """How own data is read; the defaults recognize columns and times, and refuse what is ambiguous."""

    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Role (see :data:`bench.data.importing.roles.ROLES`) -> column name, or ``none`` to ignore what is recognized."""
    time_unit: TimeUnit = "auto"
    """What times are: recognized from the values, or as stated."""
    k_core: int = 0
    """Minimum number of events of each user and item, filtered iteratively when the data is used; 0 filters nothing."""
    unordered: bool = False
    """Whether interactions without a time or position may be taken in the order of the rows."""
    overwrite: bool = False
    """Whether an earlier import with the same name is replaced."""
