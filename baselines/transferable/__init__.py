"""Code shared by UniSRec and VQ-Rec, which learn from source domains and represent items by their text.

``recommender`` pre-trains and fine-tunes, ``model`` is the network, ``codes`` quantizes text vectors to discrete codes.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.baselines.transferable.codes import stored_codes
    from bench.baselines.transferable.model import TransferableModel
    from bench.baselines.transferable.recommender import TransferableParams, TransferableRecommender
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["TransferableModel", "TransferableParams", "TransferableRecommender", "stored_codes"]
