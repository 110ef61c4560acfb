"""Merge several adapters into one, with methods from different papers.

``average`` weights the adapters, in the space of factors or of full updates. ``ties``, ``dare``, ``lego`` and
``ext_sub`` implement the operators of those names, and ``updates`` has their shared code. ``by_entropy`` learns the
weights on unlabeled queries, with the gradients of ``entropy_gradient``.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.merging.average import MergeSpace, merge
    from bench.lm.merging.by_entropy import (
        EntropyRecipe,
        LearnedWeights,
        entropy_grid,
        learn_pooled_weights,
        learn_weights,
        merged_temperature,
    )
    from bench.lm.merging.dare import merge_dare
    from bench.lm.merging.ext_sub import merge_ext_sub
    from bench.lm.merging.lego import merge_lego
    from bench.lm.merging.ties import merge_ties
    from bench.lm.merging.updates import CutAdapter, merge_updates
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "CutAdapter",
    "EntropyRecipe",
    "LearnedWeights",
    "MergeSpace",
    "entropy_grid",
    "learn_pooled_weights",
    "learn_weights",
    "merge",
    "merge_dare",
    "merge_ext_sub",
    "merge_lego",
    "merge_ties",
    "merge_updates",
    "merged_temperature",
]
