"""Train adapters: ``lora`` trains one, ``library`` loads or trains all that a method needs.

``attachment`` holds an adapter's factors on the model, and ``dropout`` draws masks that are the same on every machine.
``passes`` divides batches that do not fit in memory, and ``recompute`` runs layers again in the backward pass.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.training.attachment import attached
    from bench.lm.training.dropout import IntegerDropout
    from bench.lm.training.library import AdapterPlan, carry_out, planned_specs
    from bench.lm.training.lora import Course, train_adapter
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "AdapterPlan",
    "Course",
    "IntegerDropout",
    "attached",
    "carry_out",
    "planned_specs",
    "train_adapter",
]
