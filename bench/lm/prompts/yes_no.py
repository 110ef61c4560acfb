"""The question whether a user will like one item, and the tokens of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.lm.prompts.shared import NO_HISTORY, ChatFormat, clean_title

if TYPE_CHECKING:
    from torch import Tensor

SYSTEM_LINE = "You judge whether a customer will like a product. Answer with Yes. or No. alone."
USER_TURN = (
    "Products that this customer liked, oldest first:\n{history}\n\nWill the customer like this one too?\n{item}\n"
)
YES, NO = "Yes.", "No."
_ITEM_PLACE = "\ue000item\ue000"
"""Placeholder for the item while the chat format is applied; from a private Unicode area, so it is in no title."""


def question_parts(history: Sequence[str], chat: ChatFormat) -> tuple[str, str]:
    """Return the prompt's text before and after the item; the item starts on a new line."""
    titles = "\n".join(map(clean_title, history)) or NO_HISTORY
    opening, _, closing = chat(SYSTEM_LINE, USER_TURN.format(history=titles, item=_ITEM_PLACE)).partition(_ITEM_PLACE)
    return opening, closing


def question_hash(chat: ChatFormat) -> str:
    """Return the hash of the prompts that the wording gives for fixed examples."""
    return content_hash([question_parts(["a", "b"], chat), question_parts([], chat), YES, NO])


def answer_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the possible first tokens of each answer, with and without a leading space and the full stop.

    Tokens that are only whitespace or that begin both answers are left out.

    Raises:
        BenchError: both answers begin with the same tokens, so the first token cannot distinguish them.
    """
    yes, no = (
        {
            first
            for text in (answer, " " + answer, answer.rstrip("."), " " + answer.rstrip("."))
            if tokenizer.decode(first := tokenizer(text, add_special_tokens=False)["input_ids"][0]).strip()
        }
        for answer in (YES, NO)
    )
    if not yes - no or not no - yes:
        raise BenchError(f"The tokenizer encodes '{YES}' and '{NO}' with the same first token: use another backbone.")
    return sorted(yes - no), sorted(no - yes)


def log_odds(logits: Tensor, n_yes: int) -> Tensor:
    """Return log P(yes) - log P(no), shape (...), from the logits of the yes tokens and then the no tokens."""
    return logits[..., :n_yes].logsumexp(-1) - logits[..., n_yes:].logsumexp(-1)
