"""Define the instruction prompt shared by all generative recommenders, its answers, and the parser of its lists.

A prompt is text: a system line, the purchase history with the oldest first, the candidates one per line, and a
lead-in. An answer is one title, or several joined by :data:`SEPARATOR`. Titles start a line in the prompt just as
they start the answer, so a tokenizer splits them the same way in both places. If a prompt is too long for the model,
the oldest purchases are left out, but never candidates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import normalize_title
from bench.files.hashing import content_hash

AnswerStyle = Literal["title", "list"]
TitleMatch = Literal["lenient", "strict"]
ChatFormat = Callable[[str, str], str]
"""Turns a system line and a user turn into the text after which the assistant's answer starts."""
Tokenize = Callable[[Sequence[str]], list[list[int]]]
"""Returns each text's token ids."""

SEPARATOR = "||"
LIST_LENGTH = 5
MIN_PREFIX_CHARACTERS = 10
UNTITLED = "Untitled product"
SYSTEM_LINE = "You recommend products to customers and answer with product titles only."
USER_TURN = (
    "Bought so far, oldest first:\n{history}\n\n"
    "Products on offer:\n{candidates}\n\n"
    f"Name the {LIST_LENGTH} products on offer that this customer will most likely buy next, "
    f"the likeliest first, with {SEPARATOR} between titles.\n"
    "Most likely next:"
)
USER_TURN_WITHOUT_CANDIDATES = (
    "Bought so far, oldest first:\n{history}\n\n"
    f"Name the {LIST_LENGTH} products that this customer will most likely buy next, "
    f"the likeliest first, with {SEPARATOR} between titles.\n"
    "Most likely next:"
)
NO_HISTORY = "(nothing yet)"
_PLAIN_CHAT = "{system}\n\n{user}\n"


@dataclass(frozen=True)
class Prompt:
    """A training example: the text shared by all candidates of a query, and the answer to learn."""

    shared: str
    """Everything before the answer, chat format included."""
    answer: str
    """The answer, without an end token."""


@dataclass(frozen=True)
class Parsed:
    """A generated list parsed into candidates."""

    order: tuple[int, ...]
    """Candidate columns in the order of their first mention."""
    n_valid: int
    """Number of distinct candidates named."""
    n_duplicates: int
    """Number of mentions of a candidate that was named before."""
    n_invalid: int
    """Number of mentions that are not a candidate."""

    def scores(self, n_candidates: int) -> NDArray[np.float32]:
        """Return scores that rank as the list does, shape (n_candidates,); candidates that are not named tie at 0."""
        scores = np.zeros(n_candidates, dtype=np.float32)
        scores[list(self.order)] = np.arange(n_candidates, n_candidates - len(self.order), -1)
        return scores


def clean_title(title: str) -> str:
    """Make a title safe inside a prompt: a single line, without separators or anything that looks like a chat token."""
    without_tokens = re.sub(r"<\||\|>", " ", title)
    without_separator = re.sub(r"\|{2,}", "|", without_tokens)
    return " ".join(without_separator.split()).strip("| ") or UNTITLED


def cut_title(title: str, n_words: int) -> str:
    """Return a clean title's first words; 0 keeps all."""
    cleaned = clean_title(title)
    return clean_title(" ".join(cleaned.split()[:n_words])) if n_words else cleaned


def shared_prompt(
    history: Sequence[str], candidates: Sequence[str] | None, chat: ChatFormat, max_history: int | None = None
) -> str:
    """Write the prompt of one query.

    Args:
        history: Purchased titles, oldest first.
        candidates: Candidate titles in stored order; never left out. None writes a prompt without candidates.
        chat: The model's chat format.
        max_history: Number of most recent history titles that are kept; None keeps all.
    """
    bought = "\n".join(map(clean_title, last_items(history, max_history))) or NO_HISTORY
    if candidates is None:
        return chat(SYSTEM_LINE, USER_TURN_WITHOUT_CANDIDATES.format(history=bought))
    return chat(SYSTEM_LINE, USER_TURN.format(history=bought, candidates="\n".join(map(clean_title, candidates))))


def fitting_prompts(
    histories: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[str] | None],
    chat: ChatFormat,
    tokenize: Tokenize,
    max_tokens: int,
    max_history: int | None,
) -> list[tuple[str, list[int]]]:
    """Return each query's prompt and its token ids, shortened if it is longer than ``max_tokens``.

    Args:
        histories: Purchased titles per query, oldest first.
        candidates: Candidate titles per query; None for a prompt without them.
        chat: The model's chat format.
        tokenize: The model's tokenizer.
        max_tokens: Maximum length; one purchase and the candidates are kept even if they exceed it.
        max_history: Number of most recent purchases in a prompt; None keeps all that fit.
    """
    kept = [last_items(history, max_history) for history in histories]
    texts = [shared_prompt(*query, chat) for query in zip(kept, candidates, strict=True)]
    written = zip(texts, tokenize(texts), kept, candidates, strict=True)
    return [_shortened(*prompt, chat, tokenize, max_tokens) for prompt in written]


def last_items(history: Sequence[str], n_items: int | None) -> Sequence[str]:
    """Return the last ``n_items`` of a history; None returns all."""
    return history if n_items is None else history[max(0, len(history) - n_items) :]


def title_answer(truth: str) -> str:
    """Return the answer that names the one product bought next."""
    return clean_title(truth)


def list_answer(truth: str, negatives: Sequence[str], rng: np.random.Generator) -> str:
    """Return the published target: the product bought next, followed by randomly drawn negatives."""
    drawn = rng.choice(len(negatives), size=min(LIST_LENGTH - 1, len(negatives)), replace=False)
    return SEPARATOR.join(map(clean_title, [truth, *(negatives[column] for column in drawn)]))


def answer_text(truth: str, negatives: Sequence[str], style: AnswerStyle, rng: np.random.Generator) -> str:
    """Return the answer in the given style; ``title`` draws no negatives, because they carry no signal."""
    return title_answer(truth) if style == "title" else list_answer(truth, negatives, rng)


def plain_chat(system: str, user: str) -> str:
    """Join the system line and the user turn for a model without a chat format."""
    return _PLAIN_CHAT.format(system=system, user=user)


def chat_format(tokenizer: Any) -> ChatFormat:
    """Return a transformers tokenizer's own chat format, or the plain one after its begin token if it has none."""
    if not getattr(tokenizer, "chat_template", None):
        begin = getattr(tokenizer, "bos_token", None) or ""
        return lambda system, user: begin + plain_chat(system, user)

    def templated(system: str, user: str) -> str:
        turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    return templated


def prompt_hash(
    chat: ChatFormat = plain_chat, max_history: int | None = None, title_words: int = 0, with_candidates: bool = True
) -> str:
    """Hash the wording by the prompts of a fixed example: equal hashes mean equally worded prompts."""
    offered: list[list[str] | None] = [["c", "d"], ["c"]] if with_candidates else [None, None]
    example = shared_prompt(["a", "b"], offered[0], chat), shared_prompt([], offered[1], chat)
    return content_hash(list(example), max_history, *((title_words,) if title_words else ()))


def parse_ranking(text: str, candidate_titles: Sequence[str], match: TitleMatch = "lenient") -> Parsed:
    """Parse a generated list of titles as an order of candidates; invalid titles take no place in it.

    Args:
        text: Titles joined by :data:`SEPARATOR`.
        candidate_titles: The query's candidates.
        match: ``strict`` requires the exact string; ``lenient`` ignores case, spacing and Unicode form, then accepts a
            prefix of at least :data:`MIN_PREFIX_CHARACTERS` characters that matches exactly one candidate.
    """
    mentions = [mention for mention in text.split(SEPARATOR) if mention.strip()]
    columns = list(map(_matcher(candidate_titles, match), mentions))
    valid = [column for column in columns if column is not None]
    order = tuple(dict.fromkeys(valid))
    return Parsed(order, len(order), len(valid) - len(order), len(columns) - len(valid))


def _shortened(
    text: str,
    ids: list[int],
    kept: Sequence[str],
    candidates: Sequence[str] | None,
    chat: ChatFormat,
    tokenize: Tokenize,
    max_tokens: int,
) -> tuple[str, list[int]]:
    while (excess := len(ids) - max_tokens) > 0 and len(kept) > 1:
        freed = np.cumsum([len(title) + 1 for title in tokenize([clean_title(title) for title in kept])])
        n_dropped = min(int(np.searchsorted(freed, excess)) + 1, len(kept) - 1)
        kept = kept[n_dropped:]
        text = shared_prompt(kept, candidates, chat)
        ids = tokenize([text])[0]
    return text, ids


def _matcher(candidate_titles: Sequence[str], match: TitleMatch) -> Callable[[str], int | None]:
    cleaned = [clean_title(title) for title in candidate_titles]
    if match == "strict":
        return _first_columns(cleaned).get
    folded = [normalize_title(title) for title in cleaned]
    exact = _first_columns(folded)

    def lenient(mention: str) -> int | None:
        wanted = normalize_title(mention)
        return exact[wanted] if wanted in exact else _only_prefixed(wanted, folded)

    return lenient


def _first_columns(titles: Sequence[str]) -> dict[str, int]:
    return {title: column for column, title in reversed(list(enumerate(titles)))}


def _only_prefixed(prefix: str, titles: Sequence[str]) -> int | None:
    columns = [column for column, title in enumerate(titles) if title.startswith(prefix)]
    return columns[0] if len(prefix) >= MIN_PREFIX_CHARACTERS and len(columns) == 1 else None
