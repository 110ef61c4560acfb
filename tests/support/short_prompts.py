"""Short prompts that replace the shared one, for tests of what a decoder does after a prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from bench.lm.decoders.causal import CausalLanguageModel


def with_prompts(lm: CausalLanguageModel, wording: Callable[[str], str]) -> CausalLanguageModel:
    """Return the model with prompts that ``wording`` builds from the history's lines, without candidates."""

    def reworded(_system: str, user: str) -> str:
        _, _, shown = user.partition("\n")
        return wording(shown.partition("\n\n")[0])

    return dataclasses.replace(lm, rewording=lambda _chat: reworded)
