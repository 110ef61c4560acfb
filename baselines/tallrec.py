"""TALLRec as in the papers' tables: one LoRA adapter, trained to answer the shared prompt with the next title.

Paper: Bao et al. 2023, arXiv 2305.00447. The original judges one item at a time (``tallrec-yesno``). RecCocktail and
WeaveRec instead tune it on lists of candidates with rank 16: RecCocktail on the target only (``domains=target``),
WeaveRec on the target and all sources (``domains=all``). With the same recipe, the target's adapter equals
RecCocktail's ingredient, and both share one stored adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.recommenders import SingleAdapter, recipe_of
from bench.lm.training.library import AdapterPlan
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import Task


@dataclass(frozen=True)
class TallRecParams(LoraRecipe):
    """The recipe of the adapter and what it is trained on."""

    domains: Literal["target", "all"] = "target"
    """``target``: only the target (RecCocktail); ``all``: also all source datasets, with ``max_examples`` from each
    (WeaveRec)."""


@register(
    "tallrec",
    title="TALLRec",
    family="language-model",
    paper="Bao et al. 2023, arXiv 2305.00447",
    needs_titles=True,
    needs_sources=True,
    runs_on="decoder",
    writes_lists=True,
    cold_rule="title text",
)
class TallRec(SingleAdapter):
    """One adapter for list-wise ranking with the shared prompt."""

    Params = TallRecParams

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return the plan of the adapter."""
        domains = (task.target, *(task.sources if self.params.domains == "all" else ()))
        return {" + ".join(domain.name for domain in domains): AdapterPlan(domains, recipe_of(self.params))}

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "The common backbone instead of LLaMA-7B, without prior tuning on general instructions.",
            "List-wise as in RecCocktail's and WeaveRec's tables; tallrec-yesno is the published form.",
        )
