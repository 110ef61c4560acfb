"""Define the engines that generate a decoder's greedy answers from prompts and an adapter.

Prompts and answers are token ids, so that all engines read exactly the same prompt and one tokenizer turns all answers
into text. Engines sum numbers in different orders, so if two tokens are about equally likely they may generate
different ones; a run's record names the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bench.lm.adapters.apply import folded
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.precision import dtype_name

if TYPE_CHECKING:
    from bench.lm.adapters.adapter import Adapter
    from bench.lm.backbones import Backbone
    from bench.plugin import Task

BATCH_TOKENS = 2**15
"""Tokens per batch of the transformers engine, prompts and answers; a step costs about as much for few as for many
rows."""


class GenerationEngine(Protocol):
    """Generates greedy answers."""

    def greedy_ids(
        self, prompts: list[list[int]], adapter: Adapter | None, max_new_tokens: int
    ) -> list[list[int]]:  # pragma: no cover
        """Return the token ids of each prompt's greedy answer, up to and including the end token, if any."""
        ...

    def facts(self) -> dict[str, Any]:  # pragma: no cover
        """Return name, version and settings, for run records (JSON values)."""
        ...


@dataclass(frozen=True, eq=False)
class TransformersEngine:
    """Generate with the loaded model itself, with the adapter folded into its weights meanwhile."""

    causal: CausalLanguageModel

    def greedy_ids(self, prompts: list[list[int]], adapter: Adapter | None, max_new_tokens: int) -> list[list[int]]:
        """Return the token ids of each prompt's greedy answer, up to and including the end token, if any."""
        with folded(self.causal.model, adapter):
            return self.causal.greedy_ids(prompts, max_new_tokens, max(BATCH_TOKENS, self.causal.pass_tokens))

    def facts(self) -> dict[str, Any]:
        """Return name, version and settings."""
        import transformers

        return {
            "engine": "transformers",
            "version": transformers.__version__,
            "dtype": dtype_name(self.causal.model.dtype),
        }


def chosen_engine(causal: CausalLanguageModel, backbone: Backbone, task: Task) -> GenerationEngine:
    """Return the engine that the task names."""
    if task.engine != "vllm":
        return TransformersEngine(causal)
    from bench.lm.decoders.vllm_engine import VllmEngine

    return VllmEngine(causal, backbone.folder, task.artifacts, task.seed)
