"""Turn the likelihoods of titles as answers into scores, with each title's likelihood without a history as its prior.

If the prompt does not contain the candidates, the prior depends only on the title, the model and its adapter. It is
then computed once per distinct title, for all queries, and stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.files.revisions import revision_of
from bench.files.store import ArtifactStore
from bench.progress import Steps, tell

if TYPE_CHECKING:
    from bench.lm.decoders.causal import CausalLanguageModel
    from bench.lm.prompts.shared import AnswerStyle
    from bench.progress import ProgressHook

Scoring = Literal["sum", "mean", "prior-corrected", "prior-corrected-mean"]
"""How the likelihood of a title as the answer is turned into a score; see :func:`title_scores`."""
SCORINGS: tuple[Scoring, ...] = get_args(Scoring)
DEFAULT_SCORING: Scoring = "prior-corrected"
"""Chosen on validation queries; the page on backbones shows the figures."""
KIND = "title-priors"
"""Kind of artifact."""
TITLES_AT_ONCE = 32
"""Titles behind one prompt, as many as a query has candidates."""
FILE = "priors.npy"


@dataclass(frozen=True)
class TitlePriors:
    """The log-likelihoods of titles without a history, computed once per title for one model with one adapter."""

    store: ArtifactStore | None = None
    """Where they are kept for other processes; None keeps them only here."""
    of: tuple[str, ...] = ()
    """Revision of the backbone and hash of the adapter, if any."""
    known: dict[str, float] = field(default_factory=dict)
    """Log-likelihood by title; a title and what ends it are one text."""

    def rows(
        self,
        causal: CausalLanguageModel,
        candidates: Sequence[Sequence[str]],
        style: AnswerStyle,
        progress: ProgressHook = lambda _line: None,
    ) -> NDArray[np.float32]:
        """Return the prior of each candidate, shape (n, n_candidates)."""
        keys = {title: f"{style} {causal.cut(title)}" for row in candidates for title in row}
        self._learn(causal, sorted({key for key in keys.values() if key not in self.known}), style, progress)
        return np.array([[self.known[keys[title]] for title in row] for row in candidates], dtype=np.float32)

    def _learn(
        self, causal: CausalLanguageModel, keys: Sequence[str], style: AnswerStyle, progress: ProgressHook
    ) -> None:
        if not keys:
            return
        titles = [key.removeprefix(f"{style} ") for key in keys]
        if self.store is None:
            found = likelihoods_alone(causal, titles, style, progress)
        else:
            made = {"revision": revision_of(__name__), "dtype": str(causal.model.dtype), "prompt": causal.prompt_hash}
            folder = self.store.get_or_make(
                KIND,
                {**made, "of": list(self.of), "titles": list(keys)},
                lambda folder: np.save(folder / FILE, likelihoods_alone(causal, titles, style, progress)),
            )
            found = np.load(folder / FILE)
        self.known.update(zip(keys, found.tolist(), strict=True))


def title_scores(
    causal: CausalLanguageModel,
    histories: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[str]],
    style: AnswerStyle,
    scoring: Scoring,
    priors: TitlePriors | None = None,
    progress: ProgressHook = lambda _line: None,
    scored: Callable[[int], None] = lambda _n: None,
) -> NDArray[np.float32]:
    """Return scores by the likelihood of each candidate as the answer, shape (n, n_candidates).

    ``sum`` is log P(title | history), which favors short titles. ``mean`` divides it by the title's number of tokens,
    including the one that ends it. ``prior-corrected`` subtracts log P(title | no history), computed with the same
    candidates in the prompt if it contains candidates: the difference is the evidence from the history, and all tie
    without a history. ``prior-corrected-mean`` does both.

    Args:
        causal: The decoder.
        histories: Titles bought per query, oldest first.
        candidates: Candidate titles per query, the same number in each.
        style: What ends a title; see :meth:`CausalLanguageModel.score`.
        scoring: One of the four.
        priors: The known priors of this model and its adapter, used if the prompt contains no candidates; None
            computes them for this call.
        progress: Is told how many priors are computed.
        scored: Called after each pass with the number of queries in it.
    """
    scores = causal.score(histories, candidates, style, scored)
    if scoring.startswith("prior-corrected"):
        if causal.with_candidates:
            counted = counting(progress, "scoring without the histories", len(histories), "queries")
            scores -= causal.score([()] * len(histories), candidates, style, counted)
        else:
            scores -= (priors or TitlePriors()).rows(causal, candidates, style, progress)
    return scores / causal.answer_lengths(candidates, style) if scoring.endswith("mean") else scores


def likelihoods_alone(
    causal: CausalLanguageModel,
    titles: Sequence[str],
    style: AnswerStyle,
    progress: ProgressHook = lambda _line: None,
) -> NDArray[np.float32]:
    """Return the log-likelihood of each title as the answer to a prompt without history and candidates, shape (n,)."""
    filler = [titles[0]] * (-len(titles) % TITLES_AT_ONCE)
    filled = [*titles, *filler]
    rows = [filled[start : start + TITLES_AT_ONCE] for start in range(0, len(filled), TITLES_AT_ONCE)]
    counted = counting(progress, "scoring titles without a history", len(titles), "titles", TITLES_AT_ONCE)
    return causal.score([()] * len(rows), rows, style, counted).ravel()[: len(titles)]


def counting(
    progress: ProgressHook, what: str, total: int, unit: str, each: int = 1, done: int = 0
) -> Callable[[int], None]:
    """Return a function that takes the number of further steps, each of ``each`` units, and tells how many are done."""

    def count(n_more: int) -> None:
        nonlocal done
        done = min(total, done + each * n_more)
        tell(progress, Steps(what, done, total, unit))

    count(0)
    return count
