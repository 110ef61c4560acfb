"""Prompts of a few words in place of the shared one, for tests of what a decoder does behind a prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from bench.lm.decoders.causal import CausalLanguageModel


def with_prompts(lm: CausalLanguageModel, wording: Callable[[str], str]) -> CausalLanguageModel:
    """Return the model with prompts that ``wording`` makes of the history's lines; no prompt shows candidates."""

    def reworded(_system: str, user: str) -> str:
        _, _, shown = user.partition("\n")
        return wording(shown.partition("\n\n")[0])

    return dataclasses.replace(lm, rewording=lambda _chat: reworded)
