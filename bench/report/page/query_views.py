"""A sample of the queries of a board: history, candidates and what each row ranked first, in titles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.files.hashing import derived_seed
from bench.metrics import Metric, Ranks, Tops, per_user
from bench.report.page.overview_content import QueryView
from bench.report.page.user_analysis import METRIC

if TYPE_CHECKING:
    from bench.report.page.user_analysis import ShownLists

N_RANDOM, N_DISAGREEMENT = 12, 12
"""Numbers of queries shown per board: drawn at random, and those on which the ranked rows differ most."""
LONGEST_HISTORY = 20
LONGEST_TITLE = 160
"""Longer texts are cut."""


@dataclass
class Titles:
    """Collects the titles of all items shown, each once."""

    texts: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        """Return the index of a title, which is added if it is new."""
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]


@dataclass(frozen=True, eq=False)
class RowRanks:
    """The results of one row, in the run with the lowest seed."""

    ranks: Ranks
    tops: Tops | None
    n_candidates: int
    counts: bool
    """Whether the row is ranked, that is, neither a toy nor a reference."""


def query_views(
    rows: Sequence[RowRanks], lists: ShownLists, board: str, full_ranking: bool, titles: Titles
) -> tuple[QueryView, ...]:
    """Return the shown queries of a board, those with the largest differences between its rows first.

    Args:
        rows: One per row of the board.
        lists: What the queries contain.
        board: Id of the board, which seeds the draw.
        full_ranking: Whether positives were ranked among the catalogue, so that there are no candidate lists.
        titles: Collects the titles.
    """
    chosen = choose(rows, len(lists.positives), board)

    def shown(items: Iterable[int]) -> tuple[int, ...]:
        return tuple(titles.place(title_of(int(item), lists)) for item in items)

    views = []
    for number, why in chosen.items():
        history = lists.history_items[lists.history_indptr[number] : lists.history_indptr[number + 1]]
        views.append(
            QueryView(
                number=number,
                chosen=why,
                n_history=len(history),
                history=shown(history[-LONGEST_HISTORY:]),
                positive=shown([lists.positives[number]])[0],
                candidates=() if full_ranking else shown(lists.candidates[number]),
                ranks=tuple((int(row.ranks.better[number]), int(row.ranks.tied[number])) for row in rows),
                tops=tuple(None if row.tops is None else shown([row.tops.top_item[number]])[0] for row in rows),
            )
        )
    return tuple(views)


def choose(rows: Sequence[RowRanks], n_queries: int, board: str) -> dict[int, str]:
    """Return the numbers of the shown queries with the reason: ``disagreement`` or ``random``."""
    values = [per_user(row.ranks, Metric.parse(METRIC), row.n_candidates) for row in rows if row.counts]
    rng = np.random.default_rng(derived_seed(0, "queries shown", board))
    order = rng.permutation(n_queries)
    chosen = dict.fromkeys(_most_different(values, order).tolist(), "disagreement")
    others = [int(number) for number in order if number not in chosen]
    return chosen | dict.fromkeys(others[:N_RANDOM], "random")


def title_of(item: int, lists: ShownLists) -> str:
    """Return an item's title, or its id if it has none; long titles are cut."""
    text = lists.titles[item] or f"(no title) {lists.item_ids[item]}"
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"


def _most_different(values: Sequence[NDArray[np.float64]], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the queries with the largest standard deviation over rows; of equal ones, the first in ``order``."""
    if len(values) < 2:  # one row cannot differ from itself
        return order[:0]
    spread = np.std(np.stack(values), axis=0)[order]
    places = np.argsort(-spread, kind="stable")[:N_DISAGREEMENT]
    found: NDArray[np.int64] = order[places[spread[places] > 0]]
    return found
