"""Decoders that rank candidates by the likelihood of each title, or by a list that they generate.

``causal`` is the model, and ``prompted`` writes what it reads. ``likelihood`` scores titles, with ``branching`` to read
a prompt once for all of them, and ``title_scores`` corrects for their priors. ``attention`` replaces a model's own.
``lists`` generates rankings with an engine: that of transformers in ``engines``, or vLLM's in ``vllm_engine``.
``examples`` draws the training texts, and ``answer_entropy`` selects the tokens whose entropy is measured.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.decoders.causal import CausalLanguageModel
    from bench.lm.decoders.engines import GenerationEngine, TransformersEngine, chosen_engine
    from bench.lm.decoders.examples import titles_of, training_queries, untouched_items
    from bench.lm.decoders.likelihood import GenerativeLanguageModel
    from bench.lm.decoders.lists import ListLanguageModel, WrittenList, write_lists
    from bench.lm.decoders.vllm_engine import VllmEngine
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "CausalLanguageModel",
    "GenerationEngine",
    "GenerativeLanguageModel",
    "ListLanguageModel",
    "TransformersEngine",
    "VllmEngine",
    "WrittenList",
    "chosen_engine",
    "titles_of",
    "training_queries",
    "untouched_items",
    "write_lists",
]
