"""RecBole's models under this protocol: train them and score candidates with them.

``recommender`` contains the base class of ``recbole:<Class>`` and of the baselines from RecBole. ``zoo`` builds a model
by name and ``dataset`` gives it our data. ``learners`` trains it, ``shortcuts`` makes this faster with the same
results, and ``scoring`` computes scores. ``survey`` tests which RecBole models work.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.baselines.recbole_models.dataset import DomainAsDataset
    from bench.baselines.recbole_models.learners import Learner, choose_learner
    from bench.baselines.recbole_models.recommender import RecBoleRecommender
    from bench.baselines.recbole_models.scoring import score_queries
    from bench.baselines.recbole_models.shortcuts import Abilities, abilities_of
    from bench.baselines.recbole_models.zoo import ModelConfig, importing_recbole
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Abilities",
    "DomainAsDataset",
    "Learner",
    "ModelConfig",
    "RecBoleRecommender",
    "abilities_of",
    "choose_learner",
    "importing_recbole",
    "score_queries",
]
