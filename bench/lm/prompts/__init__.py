"""Define the prompts that decoders read, how they are shortened to fit, and how an answer is parsed.

``shared`` is the prompt common to all methods, ``paraphrases`` rewords it, and ``yes_no`` asks about one item.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.lm.prompts.paraphrases import PARAPHRASES, Paraphrase, paraphrased
    from bench.lm.prompts.shared import (
        Parsed,
        Prompt,
        answer_text,
        chat_format,
        clean_title,
        fitting_prompts,
        parse_ranking,
        shared_prompt,
    )
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "PARAPHRASES",
    "Paraphrase",
    "Parsed",
    "Prompt",
    "answer_text",
    "chat_format",
    "clean_title",
    "fitting_prompts",
    "paraphrased",
    "parse_ranking",
    "shared_prompt",
]
