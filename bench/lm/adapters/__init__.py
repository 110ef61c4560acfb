"""Low-rank adapters: their definition, how a model runs with one or several of them, and how they are stored.

``adapter`` defines and stores them, ``apply`` puts one into a model, ``experts`` lets several work in one model at the
same time, ``low_rank`` has the algebra of their factors, and ``peft_folders`` writes them in PEFT's format, for vLLM.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import (
        Adapter,
        AdapterSpec,
        LoraRecipe,
        check_mergeable,
        linear_modules,
        load_adapter,
        save_adapter,
    )
    from bench.lm.adapters.apply import folded, hooked
    from bench.lm.adapters.experts import Experts, MixedExperts, ParallelExperts
    from bench.lm.adapters.low_rank import factorize, row_norms, squared_norm, truncate_product
    from bench.lm.adapters.peft_folders import save_peft_folder, served_adapter
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Adapter",
    "AdapterSpec",
    "Experts",
    "LoraRecipe",
    "MixedExperts",
    "ParallelExperts",
    "check_mergeable",
    "factorize",
    "folded",
    "hooked",
    "linear_modules",
    "load_adapter",
    "row_norms",
    "save_adapter",
    "save_peft_folder",
    "served_adapter",
    "squared_norm",
    "truncate_product",
]
