"""Find the cards, experiments, published and measured results, in an installed package or in the repository."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Literal

Shipped = Literal["cards", "experiments", "published", "measured"]
IN_REPOSITORY = MappingProxyType(
    {
        "cards": "datasets",
        "experiments": "results/experiments",
        "published": "results/published",
        "measured": "results/measured",
    }
)


def shipped_folder(kind: Shipped) -> Path:
    """Return the directory of this kind in ``bench/shipped`` of a wheel, or else in the repository."""
    package = Path(__file__).parents[1]
    inside = package / "shipped" / kind
    return inside if inside.is_dir() else package.parent / IN_REPOSITORY[kind]
