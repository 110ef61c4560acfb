"""Names of methods and datasets as papers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.data.card import has_card, load_card
from bench.report.tables.layout import known_entry

if TYPE_CHECKING:
    from bench.registry import Registry


def method_name(name: str, registry: Registry) -> str:
    """Return the displayed name of a method; its name on the command line if it is not installed."""
    entry = known_entry(registry, name)
    return name if entry is None else entry.displayed_name(name)


def dataset_name(name: str) -> str:
    """Return the displayed name of a dataset; its name on the command line if it has no card or no title."""
    return (load_card(name).title or name) if has_card(name) else name


def variant_of(label: str, method: str) -> str:
    """Return the part of a row's label that describes the variant: ``tiny`` of ``sasrec (tiny)``."""
    rest = label.removeprefix(method).strip()
    return rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest
