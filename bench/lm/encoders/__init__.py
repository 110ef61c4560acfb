"""Encoders that turn item titles and histories into vectors.

``text_encoder`` embeds texts, ``title_vectors`` caches the vectors of a catalogue, and ``towers`` is the language model
that encodes histories and items with one encoder and scores by dot product.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.encoders.text_encoder import TextEncoder, load_encoder
    from bench.lm.encoders.towers import TowerLanguageModel, tower_scores
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["TextEncoder", "TowerLanguageModel", "load_encoder", "tower_scores"]
