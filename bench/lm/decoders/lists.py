"""Rank with a decoder by the list it generates, as the papers of the generative recommenders do.

The model is trained on the published target, the next title followed by four random other candidates, and generates a
list greedily. The prompt asks for five titles. The candidates among the first five titles of the list take the first
places, in the order of their first mention; all other candidates tie behind them. The metrics count that tie as its
expected value, whereas the papers count a title that is not named as missed; the scores at cutoffs up to 5 are the
same if five candidates are named. Only the first title of the target is a signal, so a score at 3 or 5 is the score
at 1 plus what chance adds (the results printed by RecCocktail and WeaveRec follow this closely).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from bench.lm.decoders.engines import GenerationEngine, TransformersEngine, chosen_engine
from bench.lm.decoders.examples import titles_of
from bench.lm.decoders.likelihood import (
    N_TRAINING_NEGATIVES,
    QUERIES_AT_ONCE,
    GenerativeLanguageModel,
)
from bench.lm.language_model import MAX_HISTORY
from bench.lm.precision import generation_dtype
from bench.lm.prompts.shared import LIST_LENGTH, SEPARATOR, AnswerStyle, Parsed, parse_ranking, prompt_hash
from bench.progress import Steps, tell

if TYPE_CHECKING:
    import torch

    from bench.data.domain import Domain
    from bench.lm.adapters.adapter import Adapter
    from bench.lm.backbones import Backbone
    from bench.lm.decoders.answer_entropy import EntropyScope
    from bench.lm.decoders.causal import CausalLanguageModel
    from bench.plugin import ProgressHook, Queries, Task


@dataclass(frozen=True)
class WrittenList:
    """A query's generated list, parsed with lenient and with strict matching."""

    lenient: Parsed
    """Lenient parse, which ranks the candidates."""
    strict: Parsed
    """Strict parse, as in the papers: exact titles only."""
    ended: bool
    """Whether the model itself ended the list."""
    too_long: bool
    """Whether the list has more titles than requested; the rest is ignored."""


class ListLanguageModel(GenerativeLanguageModel):
    """Instruction-tuned ranking with a decoder that generates a list."""

    objective = (
        f"next title, then {LIST_LENGTH - 1} random negatives, prompt {prompt_hash(max_history=MAX_HISTORY)}, "
        f"negatives {N_TRAINING_NEGATIVES}, lowest loss kept, calibrated"
    )
    answer_style: AnswerStyle = "list"
    entropy_scope: EntropyScope = "each_title"

    def __init__(self, backbone: Backbone, device: str = "cpu") -> None:
        """Load the decoder, which generates with transformers until it is given another engine."""
        super().__init__(backbone, device)
        self.engine: GenerationEngine = TransformersEngine(self.causal)
        self.written: list[WrittenList] = []

    @classmethod
    def for_task(cls, backbone: Backbone, task: Task) -> Self:
        """Load the backbone with the engine that the task names."""
        language_model = super().for_task(backbone, task)
        language_model.engine = chosen_engine(language_model.causal, backbone, task)
        return language_model

    @staticmethod
    def weights_dtype(device: str) -> torch.dtype:
        """Return the number format in which lists are generated."""
        return generation_dtype(device)

    def facts(self) -> dict[str, Any]:
        """Return the prompt's hash, how candidates are ranked, the engine, and statistics of the last scored lists."""
        return {
            "prompt_hash": self.causal.prompt_hash,
            "scored_by": "place in the written list, the candidates not named tied behind it",
            "taught_answer": self.answer_style,
            "generation": {**self.engine.facts(), "max_new_tokens": self.max_new_tokens},
            "lists": list_facts(self.written),
        }

    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return scores that rank as the lists of the unadapted backbone do, shape (n, n_candidates)."""
        return self.score_with(None, domain, queries, progress)

    def score_with(
        self, adapter: Adapter | None, domain: Domain, queries: Queries, progress: ProgressHook
    ) -> NDArray[np.float32]:
        """Return scores that rank as the lists of the model with an adapter do, shape (n, n_candidates)."""
        self.written = write_lists(self.causal, self.engine, adapter, domain, queries, self.max_new_tokens, progress)
        n_candidates = queries.candidates.shape[1]
        return np.array([one.lenient.scores(n_candidates) for one in self.written], np.float32).reshape(
            queries.candidates.shape
        )


def write_lists(
    causal: CausalLanguageModel,
    engine: GenerationEngine,
    adapter: Adapter | None,
    domain: Domain,
    queries: Queries,
    max_new_tokens: int,
    progress: ProgressHook,
) -> list[WrittenList]:
    """Generate the list of each query with an engine and parse it against the query's candidates."""
    written: list[WrittenList] = []
    tell(progress, Steps("generating lists", 0, len(queries), "lists"))
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        rows = np.arange(start, min(start + QUERIES_AT_ONCE, len(queries)))
        histories, candidates = titles_of(domain, queries.take(rows))
        answers = engine.greedy_ids(causal.prompt_ids(histories, candidates), adapter, max_new_tokens)
        ended = [answer[-1:] == [causal.tokenizer.eos_token_id] for answer in answers]
        offered = [list(map(causal.cut, titles)) for titles in candidates]
        written += map(read_list, causal.texts(answers), offered, ended)
        tell(progress, Steps("generating lists", len(written), len(queries), "lists"))
    return written


def read_list(text: str, candidate_titles: Sequence[str], ended: bool = True) -> WrittenList:
    """Parse the first :data:`LIST_LENGTH` titles of a list with lenient and with strict matching."""
    titles = [title for title in text.split(SEPARATOR) if title.strip()]
    asked_for = SEPARATOR.join(titles[:LIST_LENGTH])
    strict, lenient = (parse_ranking(asked_for, candidate_titles, match) for match in ("strict", "lenient"))
    return WrittenList(lenient, strict, ended, too_long=len(titles) > LIST_LENGTH)


def list_facts(written: Sequence[WrittenList]) -> dict[str, Any]:
    """Return statistics of generated lists for a record, each share rounded to six digits.

    Shares of the titles: candidates named for the first time, candidates named again, and unknown titles. Shares of the
    lists: those with too many titles, those that were cut, those that name no candidate, and those that strict matching
    would rank differently.
    """
    if not written:
        return {"n_lists": 0}
    return {
        "n_lists": len(written),
        "match": "lenient",
        "share_too_long": _share([one.too_long for one in written]),
        "share_cut": _share([not one.ended for one in written]),
        "share_ranked_otherwise_if_strict": _share([one.strict.order != one.lenient.order for one in written]),
        "lenient": _title_shares([one.lenient for one in written]),
        "strict": _title_shares([one.strict for one in written]),
    }


def _title_shares(parsed: Sequence[Parsed]) -> dict[str, float]:
    counts = np.array([(one.n_valid, one.n_duplicates, one.n_invalid) for one in parsed]).sum(0)
    valid, duplicate, unknown = (counts / max(1, counts.sum())).round(6).tolist()
    return {
        "titles_a_list": round(float(counts.sum()) / len(parsed), 3),
        "valid_share": valid,
        "duplicate_share": duplicate,
        "unknown_share": unknown,
        "share_of_lists_without_a_candidate": _share([one.n_valid == 0 for one in parsed]),
    }


def _share(flags: Sequence[bool]) -> float:
    return round(float(np.mean(flags)), 6)
