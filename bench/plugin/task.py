"""The inputs of a recommender: a task to train on, and queries to rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.plugin.last_loaded import LastLoaded
from bench.progress import ProgressHook
from bench.spec import Engine, Ranking, Setting


@dataclass(frozen=True, eq=False)
class Queries:
    """Queries to rank: a history and a list of candidates per query, without answers."""

    users: NDArray[np.int64]
    """User index of each query, shape (n,)."""
    history_indptr: NDArray[np.int64]
    """Row starts into ``history_items``, shape (n + 1,)."""
    history_items: NDArray[np.int32]
    """Items of all histories, oldest first within each."""
    candidates: NDArray[np.int32]
    """Item indices in stored, shuffled order, shape (n, n_candidates); the catalogue in every row for full ranking."""

    def __len__(self) -> int:
        return len(self.users)

    def history(self, query: int) -> NDArray[np.int32]:
        """Return the history of one query, oldest item first."""
        return self.history_items[self.history_indptr[query] : self.history_indptr[query + 1]]

    def take(self, rows: NDArray[np.int64]) -> Queries:
        """Return the queries at ``rows``, in that order."""
        histories = [self.history(row) for row in rows]
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        common = self.common_candidates
        taken = replace(
            self,
            users=self.users[rows],
            history_indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            history_items=np.concatenate([np.empty(0, np.int32), *histories]).astype(np.int32),
        )
        return replace(taken, candidates=self.candidates[rows]) if common is None else taken.asked_about(common)

    def asked_about(self, items: NDArray[np.integer]) -> Queries:
        """Return the same queries with one shared list of candidates, which is stored only once."""
        common = np.broadcast_to(items.astype(np.int32), (len(self), len(items)))
        return replace(self, candidates=common)

    @property
    def common_candidates(self) -> NDArray[np.int32] | None:
        """The list shared by all queries, shape (n_candidates,); None if each query has its own list."""
        return self.candidates[0] if len(self) and self.candidates.strides[0] == 0 else None

    def distinct_candidates(self) -> NDArray[np.int32]:
        """Return the distinct items in all lists, ascending."""
        common = self.common_candidates
        return np.unique(self.candidates if common is None else common)


@dataclass(frozen=True, eq=False)
class Answers:
    """The column of the positive in each query's candidates, shape (n,)."""

    positive_column: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Task:
    """The data and settings for training a recommender, without test answers."""

    target: Domain
    """The target domain with only its training interactions. The catalogue contains all items; in user-split, the
    histories of validation and test users are empty."""
    validation: Queries
    """Validation queries; their histories are training data, or those of held-out users in user-split."""
    validation_answers: Answers
    """Answers of the validation queries, for early stopping and model selection; must not be trained on."""
    setting: Setting
    """The protocol's setting."""
    seed: int
    """Seed of training."""
    artifacts: ArtifactStore
    """The store of trained models, adapters and vectors, addressed by content."""
    sources: tuple[Domain, ...] = ()
    """Source domains, each with only its own training interactions."""
    backbone: str | None = None
    """Name or path of the language model, for methods that use one."""
    ranking: Ranking | None = None
    """How a decoder scores: by likelihood (None) or by generating lists."""
    engine: Engine | None = None
    """The library that generates lists; None means transformers."""
    device: str = "cpu"
    """Torch device."""
    progress: ProgressHook = field(default=lambda _line: None)
    """Receives progress messages; :func:`bench.progress.tell` tells it phases and steps."""
    held: LastLoaded = field(default_factory=LastLoaded)
    """Cache of the last loaded objects, such as a language model, shared by consecutive runs."""
    source_validation: Callable[[str], tuple[Queries, Answers] | None] = field(default=lambda _name: None)
    """Returns the validation queries and answers of a source domain by name; None if it has none."""

    def validation_of(self, domain: Domain) -> tuple[Queries, Answers] | None:
        """Return the validation queries and answers of the target or a source; None if it has none."""
        if domain.name == self.target.name:
            return (self.validation, self.validation_answers) if len(self.validation) else None
        return self.source_validation(domain.name)


class Planned(Protocol):
    """Something trained once and shared between runs, such as :class:`bench.lm.adapters.adapter.AdapterSpec`."""

    @property
    def kind(self) -> str:
        """Kind of artifact in the store."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the domains it is trained on."""

    @property
    def max_examples(self) -> int:
        """Maximum number of training examples, summed over all passes."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Hashes of the keys of what must be trained before it."""

    def key(self) -> dict[str, Any]:
        """Return everything that determines it; it is stored under the hash of this key."""
