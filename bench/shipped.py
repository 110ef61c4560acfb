"""Where the tables, experiments and published figures live: inside an installed package, or in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Shipped = Literal["experiments", "published"]


def shipped_folder(kind: Shipped) -> Path:
    """Return ``bench/experiments`` or ``bench/published`` of a wheel, else the repository's folder in ``results``."""
    package = Path(__file__).parent
    inside = package / kind
    return inside if inside.is_dir() else package.parent / "results" / kind
