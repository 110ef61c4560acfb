"""Round numbers for output to the precision that is meaningful and identical on all CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DIGITS = 10
"""Significant digits of a written number; of 16, the last ones depend on the order of sums and the vector units."""
P_VALUE_DIGITS = 6
"""Significant digits of a written p-value, whose series are truncated at about ten."""
P_VALUES = frozenset({"p", "p_corrected", "p_t", "p_wilcoxon", "p_permutation", "p_holm"})
"""Keys under which p-values are written."""


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """Return a JSON-like value whose floats have at most ``digits`` significant digits; p-values are found by key."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, Mapping):
        return {name: rounded(one, P_VALUE_DIGITS if name in P_VALUES else digits) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(rounded(one, digits) for one in value)
    return value
