"""Networks of single recommenders, separate from the code that trains them.

``mcrpl`` belongs to MCRPL, ``p5`` to P5, ``s3rec_pretraining`` to S³-Rec.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.baselines.networks.mcrpl import Network
    from bench.baselines.networks.p5 import Tokens, load_t5
    from bench.baselines.networks.s3rec_pretraining import Pretraining
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["Network", "Pretraining", "Tokens", "load_t5"]
