"""Language models that are trained in seconds, for tests and for machines without a network.

``tiny_decoder`` trains a decoder on the titles of a dataset, and ``tiny_seq2seq`` builds an untrained T5.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.toys.tiny_decoder import TinyParams, tiny_backbone
    from bench.lm.toys.tiny_seq2seq import TinySeq2SeqParams, save_tiny_seq2seq
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["TinyParams", "TinySeq2SeqParams", "save_tiny_seq2seq", "tiny_backbone"]
