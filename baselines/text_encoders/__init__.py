"""Code for recommenders that train a text encoder.

``shared`` is used by all of them. ``recformer_reader`` is RecFormer's encoder, which reads a history as one text.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.baselines.text_encoders.recformer_reader import SequenceEncoder
    from bench.baselines.text_encoders.shared import PooledEncoder, TextParams
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["PooledEncoder", "SequenceEncoder", "TextParams"]
