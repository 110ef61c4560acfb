"""Language models: load, adapt, prompt and score with them.

``backbones`` finds a model by name, and ``loading`` loads it as one of three kinds of :class:`LanguageModel`: an
encoder (``encoders``), a decoder (``decoders``) or a cross-encoder, which reads a history and one candidate together
(``pairs``). ``adapters`` are the trained part of a model, ``training`` trains them, and ``merging`` combines several
into one. ``memory`` computes how much memory that needs. ``prompts`` defines the texts, ``toys`` has models small
enough for tests, and ``recommenders`` has the base classes of methods that train adapters.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.backbones import Backbone, resolve_backbone
    from bench.lm.batching import PackedAnswers, length_batches, length_buckets, padded
    from bench.lm.language_model import LanguageModel
    from bench.lm.loading import language_model_class, load_language_model, planned_backbone, task_backbone
    from bench.lm.precision import generation_dtype, training_dtype, training_precision
    from bench.lm.recommenders import AdapterRecommender, DomainMerge, SingleAdapter
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "AdapterRecommender",
    "Backbone",
    "DomainMerge",
    "LanguageModel",
    "PackedAnswers",
    "SingleAdapter",
    "generation_dtype",
    "language_model_class",
    "length_batches",
    "length_buckets",
    "load_language_model",
    "padded",
    "planned_backbone",
    "resolve_backbone",
    "task_backbone",
    "training_dtype",
    "training_precision",
]
