"""Full ranking: each positive among the whole catalogue in place of a frozen list.

A few sampled negatives can order systems otherwise than the catalogue does (Krichene & Rendle, KDD 2020), so both are
to be seen. The rule: the candidates of a query are all items but those that its user touched, in whatever part of the
data, just as they are no negatives of a frozen list; the positive stays, even where it was touched before. Items
without a title and items with the positive's title stay too, and queries with the latter are counted.

The catalogue is the same for every query, so a method is asked for scores of all items, some thousand queries at a
time, and what the user touched is left out of the counting. The lists of an ordinary run lie in these wider ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.files.revisions import revision_of
from bench.metrics import Ranks, Tops
from bench.plugin import Answers, ProgressHook, Queries
from bench.protocol.candidates import TitleGroups
from bench.protocol.task import PreparedTask, QuerySet

if TYPE_CHECKING:
    from bench.data.domain import Domain

RULE = "whole catalogue but for what the user touched"
SCORES_AT_ONCE = 2**25
"""Scores asked for together: 128 MB of them, and twice that in double precision."""
QUERIES_COMPARED = 64
"""Queries whose frozen lists are scored as well, to see that an item's score does not depend on its list."""
RELATIVE_TOLERANCE = 1e-4
"""Differences below this share of a query's largest score are rounding."""

Ask = Callable[[QuerySet], NDArray[np.floating]]
"""Asks a method for checked scores of a set of queries, shape (n, n_candidates)."""


@dataclass(frozen=True, eq=False)
class CatalogueRanks:
    """Where each positive stands in the catalogue."""

    ranks: Ranks
    tops: Tops
    """What was ranked first among all candidates."""
    n_candidates: NDArray[np.int64]
    """Candidates of each query, the positive included, shape (n,)."""
    has_twin: NDArray[np.bool_]
    """Whether another candidate has the positive's title, shape (n,)."""
    n_items: int

    def facts(self) -> dict[str, float]:
        """Return what a record states: expected ranks, and the AUC, the share of other candidates ranked below."""
        # ties count at their expected value: half of them are above
        above = self.ranks.better + self.ranks.tied / 2
        return {
            "n_items": self.n_items,
            "mean_candidates": float(self.n_candidates.mean()),
            "mean_rank": float(above.mean() + 1),
            "median_rank": float(np.median(above) + 1),
            "auc": float(1 - (above / np.maximum(self.n_candidates - 1, 1)).mean()),
            "queries_with_twin": int(self.has_twin.sum()),
        }


def catalogue_hash(prepared: PreparedTask) -> str:
    """Return the hash of the rule, the test queries and the catalogue, which is never that of frozen lists."""
    queries, positives = prepared.test.queries, prepared.test.lists.positives
    asked = [queries.users, queries.history_indptr, queries.history_items, positives]
    return content_hash([RULE, revision_of(__name__)], prepared.domain.content_hash, *asked)


def rank_in_catalogue(
    method: str,
    ask: Ask,
    queries: QuerySet,
    domain: Domain,
    counts: NDArray[np.integer],
    progress: ProgressHook,
    at_once: int | None = None,
) -> CatalogueRanks:
    """Rank each query's positive among all items of ``domain`` but those that the user touched.

    Args:
        method: The method's name, for messages.
        ask: Asks it for scores.
        queries: The queries with their frozen lists, which tell the positives.
        domain: The whole domain, with what was held out.
        counts: Training interactions of each item, shape (n_items,).
        progress: Gets a line a chunk.
        at_once: Queries in a chunk; None takes as many as :data:`SCORES_AT_ONCE` allows.

    Raises:
        BenchError: the method scores an item of a frozen list otherwise than the same item of the catalogue.
    """
    if not len(queries):
        raise ValueError("there are no queries")
    check_scores_ignore_lists(method, ask, queries, domain.n_items)
    at_once = at_once or max(1, SCORES_AT_ONCE // domain.n_items)
    groups = TitleGroups.of(domain).group
    parts = []
    for start in range(0, len(queries), at_once):
        rows = np.arange(start, min(start + at_once, len(queries)))
        wide = over_catalogue(queries, rows, domain.n_items)
        parts.append(_chunk_ranks(ask(wide), wide, domain, groups, counts))
        progress(f"{method}: {rows[-1] + 1:,} of {len(queries):,} queries ranked among {domain.n_items:,} items")
    better, tied, top_item, top_count, n_candidates, has_twin = map(np.concatenate, zip(*parts, strict=True))
    positive_count = counts[queries.lists.positives].astype(np.int32)
    tops = Tops(top_item, top_count, positive_count)
    return CatalogueRanks(Ranks(better, tied), tops, n_candidates, has_twin, domain.n_items)


def over_catalogue(queries: QuerySet, rows: NDArray[np.int64], n_items: int) -> QuerySet:
    """Return the queries at ``rows``, asked about all items in the catalogue's order: a column is an item."""
    positives = queries.lists.positives[rows].astype(np.int64)
    wide = queries.queries.take(rows).asked_about(np.arange(n_items))
    return QuerySet(wide, Answers(positives), queries.hash)


def check_scores_ignore_lists(method: str, ask: Ask, queries: QuerySet, n_items: int) -> None:
    """Raise BenchError if an item has another score in the catalogue than in a frozen list, for some of the queries."""
    some = queries.sample(QUERIES_COMPARED, seed=0)
    listed = ask(some)
    wide = ask(over_catalogue(some, np.arange(len(some)), n_items))
    again = np.take_along_axis(wide, some.queries.candidates.astype(np.int64), axis=1)
    finite = np.where(np.isfinite(listed), np.abs(listed), 0.0)
    allowed = RELATIVE_TOLERANCE * finite.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # equal infinities
        differs = (listed != again) & ~(np.abs(listed - again) <= allowed)
    n_differing = int(differs.any(axis=1).sum())
    if n_differing:
        raise BenchError(
            f"Method '{method}' scores items differently in a list of {listed.shape[1]} than in the full catalogue "
            f"({n_differing} of {len(some)} queries), so full ranking is not meaningful and nothing was stored. "
            "Register it without ranks_catalogue."
        )


def _chunk_ranks(
    scores: NDArray[np.floating],
    wide: QuerySet,
    domain: Domain,
    groups: NDArray[np.int64],
    counts: NDArray[np.integer],
) -> tuple[NDArray[Any], ...]:
    """Return, of each query, what stands above and beside the positive, the top, and what the candidates are.

    In detail: candidates above and beside the positive, the top item and its count as :class:`bench.metrics.Tops`
    has them, candidates in all, and whether one of the others has the positive's title.
    """
    positives = wide.answers.positive_column
    of_positive = scores[np.arange(len(positives)), positives][:, None]
    rows, items = touched_pairs(domain, wide.queries, positives)
    n_touched = np.bincount(rows, minlength=len(positives))

    def count(is_so: NDArray[np.bool_]) -> NDArray[np.int32]:
        # counting everything and subtracting the few touched items avoids a masked copy of the scores
        among_touched = np.bincount(rows[is_so[rows, items]], minlength=len(positives))
        counts: NDArray[np.int32] = (np.count_nonzero(is_so, axis=1) - among_touched).astype(np.int32)
        return counts

    of_group = np.bincount(groups)[groups[positives]]
    touched_of_group = np.bincount(rows[groups[items] == groups[positives[rows]]], minlength=len(positives))
    return (
        count(scores > of_positive),
        count(scores == of_positive) - np.int32(1),
        *_tops(scores, rows, items, counts),
        domain.n_items - n_touched,
        of_group - touched_of_group > 1,
    )


def _tops(
    scores: NDArray[np.floating], rows: NDArray[np.int64], items: NDArray[np.int64], counts: NDArray[np.integer]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the top item of each row, the lowest of several, and the mean count of all that share its score.

    The items at (rows, items) are no candidates; a column of ``scores`` is an item.
    """
    is_candidate = np.ones(scores.shape, dtype=bool)
    is_candidate[rows, items] = False
    highest = scores.max(axis=1, keepdims=True, where=is_candidate, initial=-np.inf)
    is_top = is_candidate & (scores == highest)
    summed = np.broadcast_to(counts, scores.shape).sum(axis=1, where=is_top)
    top_count = summed / np.count_nonzero(is_top, axis=1)
    return is_top.argmax(axis=1).astype(np.int32), top_count.astype(np.float32)


def touched_pairs(
    domain: Domain, queries: Queries, positives: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (row, item) of each distinct item that a row's user ever touched, but for the row's positive."""
    histories = [domain.history(user) for user in queries.users]
    rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    keys = np.unique(rows * domain.n_items + np.concatenate(histories))
    rows, items = np.divmod(keys, domain.n_items)
    kept = items != positives[rows]
    return rows[kept], items[kept]
