"""Texts from which ``bench new`` starts a user's own files, and ``fill``, which fills them in."""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.templates.fill import Names, Place, baseline_names, baseline_place, write_baseline
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["Names", "Place", "baseline_names", "baseline_place", "write_baseline"]
