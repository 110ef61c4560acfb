"""Cross-encoders: language models that read a history and one candidate as one text.

``model`` trains and scores, ``layers`` runs its layers step by step, and ``prompts`` writes the texts.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.pairs.layers import LayerWalk
    from bench.lm.pairs.model import PairExamples, PairHead, PairLanguageModel, PairRecipe
    from bench.lm.pairs.prompts import PairBatch, PairPrompts
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["LayerWalk", "PairBatch", "PairExamples", "PairHead", "PairLanguageModel", "PairPrompts", "PairRecipe"]
