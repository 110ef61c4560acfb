"""Base classes shared by several methods.

``integrating`` is for methods that combine adapters at run time, ``pairs`` for those that train a cross-encoder.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.methods.shared.integrating import IntegratingParams, IntegratingRecommender, Integration
    from bench.methods.shared.pairs import PairRecommender, pair_recipe
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["IntegratingParams", "IntegratingRecommender", "Integration", "PairRecommender", "pair_recipe"]
