"""Any sequential or general RecBole model as a recommender, with RecBole's parameters and defaults."""

from __future__ import annotations

from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.recommender import RecBoleRecommender

from bench.errors import canonical_name
from bench.plugin import WrappingRecommender
from bench.registry import register


@register(
    "recbole",
    title="RecBole",
    family="sequential",
    paper="Zhao et al. 2021, arXiv 2011.01731",
    cold_rule="a zero embedding in the cold setting; otherwise, its initial embedding, which is not trained",
    wraps=True,
    ranks_catalogue=True,
    extras=("recbole",),
)
class RecBole(RecBoleRecommender, WrappingRecommender):
    """Any sequential or general model of RecBole, as ``recbole:<Class>``."""

    @classmethod
    def named(cls, suffix: str) -> str:
        """Return the name of a RecBole class as RecBole writes it."""
        return canonical_name(suffix, zoo.model_modules())

    @classmethod
    def wrapping(cls, suffix: str) -> type[RecBole]:
        """Return the recommender of a RecBole class; raise BenchError with similar names for an unknown one."""
        zoo.require_model(suffix)
        attributes = {
            "__module__": cls.__module__,
            "model_name": suffix,
            "Params": zoo.params_class(suffix),
            "__doc__": f"RecBole's {suffix}.",
        }
        return type(f"RecBole{suffix}", (cls,), attributes)
