"""Numbers as the page's tables print them."""

from __future__ import annotations

SIGNIFICANT_DIGITS = 3
INSTANT = 0.1
THOUSAND = 1000


def brief(value: float) -> str:
    """Return a number of three significant digits, and thousands separators from 1,000."""
    if value == 0 or abs(value) >= 10 ** (SIGNIFICANT_DIGITS - 1):
        return f"{round(value):,}"
    return f"{value:.{SIGNIFICANT_DIGITS}g}"


def seconds(value: float) -> str:
    """Return a duration in seconds, minutes or hours."""
    if value < INSTANT:
        return "< 0.1 s"
    if value < 60:
        return f"{brief(value)} s"
    return f"{brief(value / 60)} min" if value < 3600 else f"{brief(value / 3600)} h"


def size(value: float) -> str:
    """Return a number of bytes in MiB or GiB."""
    return f"{brief(value / 2**20)} MiB" if value < 2**30 else f"{brief(value / 2**30)} GiB"


def thousands(value: float) -> str:
    """Return a count in thousands or millions."""
    if value < THOUSAND:
        return brief(value)
    return f"{brief(value / THOUSAND)} k" if value < THOUSAND**2 else f"{brief(value / THOUSAND**2)} M"


def percent(share: float) -> str:
    """Return a share in percent with one decimal."""
    return f"{share:.1%}"


def score(value: float) -> str:
    """Return a metric with four decimals."""
    return f"{value:.4f}"


def signed(value: float) -> str:
    """Return a difference with four decimals and its sign; the minus is typographic."""
    return ("\u2212" if value < 0 else "+") + f"{abs(value):.4f}"
