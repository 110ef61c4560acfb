"""The data of the report's parts beside the leaderboards: single queries, several datasets, published results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class QueryView:
    """One test query: what is known of the user, what was ranked, and what each row made of it.

    Items are indices into :attr:`Page.titles`.
    """

    number: int
    """Place of the query in stored order, from 0."""
    chosen: str
    """Why it is shown: ``random`` or ``disagreement``."""
    n_history: int
    """Length of the whole history."""
    history: tuple[int, ...]
    """The last items of the history, oldest first."""
    positive: int
    candidates: tuple[int, ...]
    """All candidates in stored order; empty with full ranking."""
    ranks: tuple[tuple[int, int], ...]
    """Per row of the board: the candidates above the positive and tied with it, in the run with the lowest seed."""
    tops: tuple[int | None, ...]
    """Per row: the item ranked first; None if the run does not store it."""


@dataclass(frozen=True)
class Standing:
    """One method over several boards."""

    method: str
    name: str
    family: str
    mean_rank: float
    """Mean place among the methods of the summary; 1 is best, ties share their mean place."""
    win_rate: float
    """Share of the other methods that it beats, averaged over the datasets; ties count half."""
    values: tuple[float, ...]
    """Metric of its best row, one per dataset."""


@dataclass(frozen=True)
class Summary:
    """Methods over several datasets of one setting; each has a run on each."""

    title: str
    metric: str
    boards: tuple[str, ...]
    """Ids of the boards, one per dataset."""
    dataset_names: tuple[str, ...]
    rows: tuple[Standing, ...]
    """By mean rank."""
    other_datasets: tuple[str, ...]
    """Datasets that are left out, because fewer methods have runs on them."""
    other_methods: tuple[str, ...]
    """Names of the methods that are left out, because they lack a run on one of the datasets."""


@dataclass(frozen=True)
class PublishedCell:
    """One of our scores and the published one."""

    row: str
    dataset: str
    setting: str
    metric: str
    ours: float
    printed: float
    difference: float
    verdict: str
    """``at or above``, ``within 0.02``, ``below`` …"""
    reason: str
    """Why the two are not comparable, or why ours is lower; empty if there is nothing to say."""


@dataclass(frozen=True)
class PublishedTable:
    """A published table with our scores."""

    paper: str
    table: str
    link: str
    experiments: tuple[str, ...]
    """Names of the experiments that it is compared with."""
    cells: tuple[PublishedCell, ...]
    n_missing: int
    """Number of published scores of the same rows and datasets for which no run is stored."""

    @property
    def verdicts(self) -> dict[str, int]:
        """Number of scores per verdict."""
        return dict(Counter(cell.verdict for cell in self.cells))
