"""Full ranking: rank each positive in the whole catalogue instead of a frozen list.

A few sampled negatives can rank systems differently from the full catalogue (Krichene & Rendle, KDD 2020), so both are
reported. The candidates of a query are all items except those its user has interacted with in any part of the data,
which are not negatives of a frozen list either. The positive stays, even if the user has interacted with it before.
Items without a title and items with the positive's title stay too, and queries with the latter are counted.

The catalogue is the same for every query, so a method scores all items for some thousand queries at a time, and items
the user has interacted with are left out of the counts. The candidates include every frozen list of an ordinary run.
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
from bench.progress import Steps, tell
from bench.protocol.candidates import TitleGroups
from bench.protocol.task import PreparedTask, QuerySet

if TYPE_CHECKING:
    from bench.data.domain import Domain

RULE = "whole catalogue but for what the user touched"
SCORES_AT_ONCE = 2**25
"""Number of scores computed at a time: 128 MB, and twice that in double precision."""
QUERIES_COMPARED = 64
"""Queries whose frozen lists are scored as well, to check that an item's score does not depend on its list."""
RELATIVE_TOLERANCE = 1e-4
"""Differences below this fraction of a query's largest score are rounding errors."""

Ask = Callable[[QuerySet], NDArray[np.floating]]
"""Returns a method's checked scores for a set of queries, shape (n, n_candidates)."""


@dataclass(frozen=True, eq=False)
class CatalogueRanks:
    """The rank of each positive in the catalogue."""

    ranks: Ranks
    tops: Tops
    """The top-ranked items among all candidates."""
    n_candidates: NDArray[np.int64]
    """Number of candidates per query, including the positive, shape (n,)."""
    has_twin: NDArray[np.bool_]
    """Whether another candidate has the positive's title, shape (n,)."""
    n_items: int

    def facts(self) -> dict[str, float]:
        """Return a record's values: expected ranks, and the AUC, the fraction of other candidates ranked below."""
        # ties have their expected value: half of them are above
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
    """Return the hash of the rule, the test queries and the catalogue, which never equals that of frozen lists."""
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
    """Rank each query's positive among all items of ``domain`` except those the user has interacted with.

    Args:
        method: The method's name, for messages.
        ask: Returns the method's scores.
        queries: The queries with their frozen lists, which contain the positives.
        domain: The whole domain, including held-out interactions.
        counts: Training interactions per item, shape (n_items,).
        progress: Is told how many queries are ranked.
        at_once: Queries per chunk; None uses as many as :data:`SCORES_AT_ONCE` allows.

    Raises:
        BenchError: the method scores an item differently in a frozen list than in the catalogue.
    """
    if not len(queries):
        raise ValueError("there are no queries")
    check_scores_ignore_lists(method, ask, queries, domain.n_items)
    at_once = at_once or max(1, SCORES_AT_ONCE // domain.n_items)
    groups = TitleGroups.of(domain).group
    parts, what = [], f"ranking among {domain.n_items:,} items"
    tell(progress, Steps(what, 0, len(queries), "queries"))
    for start in range(0, len(queries), at_once):
        rows = np.arange(start, min(start + at_once, len(queries)))
        wide = over_catalogue(queries, rows, domain.n_items)
        parts.append(_chunk_ranks(ask(wide), wide, domain, groups, counts))
        tell(progress, Steps(what, len(rows) + start, len(queries), "queries"))
    better, tied, top_item, top_count, n_candidates, has_twin = map(np.concatenate, zip(*parts, strict=True))
    positive_count = counts[queries.lists.positives].astype(np.int32)
    tops = Tops(top_item, top_count, positive_count)
    return CatalogueRanks(Ranks(better, tied), tops, n_candidates, has_twin, domain.n_items)


def over_catalogue(queries: QuerySet, rows: NDArray[np.int64], n_items: int) -> QuerySet:
    """Return the queries at ``rows`` with all items as candidates, in the catalogue's order: one column per item."""
    positives = queries.lists.positives[rows].astype(np.int64)
    wide = queries.queries.take(rows).asked_about(np.arange(n_items))
    return QuerySet(wide, Answers(positives), queries.hash)


def check_scores_ignore_lists(method: str, ask: Ask, queries: QuerySet, n_items: int) -> None:
    """Raise BenchError if an item's score in the catalogue differs from that in a frozen list, for sampled queries."""
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
    """Return the ranks, the top items and facts about the candidates of each query.

    In detail: the numbers of candidates above and tied with the positive, the top item and its count as in
    :class:`bench.metrics.Tops`, the number of candidates, and whether another candidate has the positive's title.
    """
    positives = wide.answers.positive_column
    of_positive = scores[np.arange(len(positives)), positives][:, None]
    rows, items = touched_pairs(domain, wide.queries, positives)
    n_touched = np.bincount(rows, minlength=len(positives))

    def count(is_so: NDArray[np.bool_]) -> NDArray[np.int32]:
        # counting all items and subtracting the few excluded ones avoids a masked copy of the scores
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
    """Return the top item per row, the lowest index on ties, and the mean count of all items with its score.

    The items at (rows, items) are not candidates; ``scores`` has one column per item.
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
    """Return (row, item) of each distinct item a row's user has ever interacted with, except the row's positive."""
    histories = [domain.history(user) for user in queries.users]
    rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    keys = np.unique(rows * domain.n_items + np.concatenate(histories))
    rows, items = np.divmod(keys, domain.n_items)
    kept = items != positives[rows]
    return rows[kept], items[kept]
