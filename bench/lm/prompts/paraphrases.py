"""Reword the shared prompt, to measure how much a model's ranking depends on the wording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bench.lm.prompts.shared import LIST_LENGTH, SEPARATOR, USER_TURN, USER_TURN_WITHOUT_CANDIDATES, ChatFormat


@dataclass(frozen=True)
class Paraphrase:
    """A wording with the same meaning; the history and the candidates, if any, stay in the same places."""

    system: str
    """The system line."""
    before_history: str
    before_candidates: str
    request: str
    """The request, up to where the answer starts."""
    request_without_candidates: str
    """The same for a prompt without candidates."""

    def of(self, chat: ChatFormat) -> ChatFormat:
        """Return a chat format that writes the shared prompt in this wording."""

        def reworded(_system: str, user: str) -> str:
            history, candidates = _contents(user)
            parts = [f"{self.before_history}\n{history}"]
            if candidates is None:
                parts += [self.request_without_candidates]
            else:
                parts += [f"{self.before_candidates}\n{candidates}", self.request]
            return chat(self.system, "\n\n".join(parts))

        return reworded


PARAPHRASES = (
    Paraphrase(
        "You are a shop assistant. Your answers consist of product titles.",
        "A customer's purchases, from the earliest to the latest:",
        "The products that can be chosen:",
        f"Which {LIST_LENGTH} of these would the customer buy next? Begin with the most probable one and put "
        f"{SEPARATOR} between titles.\nAnswer:",
        f"Which {LIST_LENGTH} products would the customer buy next? Begin with the most probable one and put "
        f"{SEPARATOR} between titles.\nAnswer:",
    ),
    Paraphrase(
        "Recommend products. Write their titles and nothing else.",
        "The customer has purchased, in this order:",
        "Available now:",
        f"List the {LIST_LENGTH} available products with the highest chance of being purchased next, in falling order "
        f"of that chance, divided by {SEPARATOR}.\nPurchased next:",
        f"List the {LIST_LENGTH} products with the highest chance of being purchased next, in falling order of that "
        f"chance, divided by {SEPARATOR}.\nPurchased next:",
    ),
    Paraphrase(
        "Predict what a customer buys. Reply with titles of products only.",
        "Here is what the customer bought, the first purchase first:",
        "Here are the products to choose from:",
        f"Give the titles of the {LIST_LENGTH} products that fit this customer best as the next purchase, the best "
        f"first and {SEPARATOR} after each but the last.\nBest next purchase:",
        f"Give the titles of {LIST_LENGTH} products that fit this customer best as the next purchase, the best first "
        f"and {SEPARATOR} after each but the last.\nBest next purchase:",
    ),
)
"""Written by hand; a model trained on the shared prompt has seen none of them."""


@contextmanager
def paraphrased(language_model: Any, paraphrase: Paraphrase) -> Iterator[None]:
    """Reword the prompts of a language model with the attribute ``causal`` while the block runs."""
    original = language_model.causal
    language_model.causal = replace(original, rewording=paraphrase.of)
    try:
        yield
    finally:
        language_model.causal = original


def _contents(user: str) -> tuple[str, str | None]:
    """Return the history and the candidates in a user turn, or None for one that was written without candidates.

    The two are told apart by how they end; the rest is unambiguous because titles are single lines.
    """
    before, _, after = USER_TURN_WITHOUT_CANDIDATES.partition("{history}")
    if user.endswith(after):
        return user.removeprefix(before).removesuffix(after), None
    before, _, rest = USER_TURN.partition("{history}")
    between, _, after = rest.partition("{candidates}")
    history, _, candidates = user.removeprefix(before).removesuffix(after).partition(between)
    return history, candidates
