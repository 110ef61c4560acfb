"""What a recommender is given: a task to learn from, and queries to rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.plugin.last_loaded import LastLoaded
from bench.spec import Engine, Ranking, Setting

ProgressHook = Callable[[str], None]
"""Called with one short line whenever a long job has something to say."""


@dataclass(frozen=True, eq=False)
class Queries:
    """What is ranked: a history and a list of candidates for each query, without the answers."""

    users: NDArray[np.int64]
    """User index of each query, shape (n,)."""
    history_indptr: NDArray[np.int64]
    """Row starts into ``history_items``, shape (n + 1,)."""
    history_items: NDArray[np.int32]
    """Items seen before the query, oldest first."""
    candidates: NDArray[np.int32]
    """Item indices in stored, shuffled order, shape (n, 30); in full ranking the whole catalogue, in every row."""

    def __len__(self) -> int:
        return len(self.users)

    def history(self, query: int) -> NDArray[np.int32]:
        """Return the items seen before one query, oldest first."""
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
        """Return the same queries, all with this one list of candidates, which is kept in memory once."""
        common = np.broadcast_to(items.astype(np.int32), (len(self), len(items)))
        return replace(self, candidates=common)

    @property
    def common_candidates(self) -> NDArray[np.int32] | None:
        """The one list that all queries share, shape (n_candidates,); None where each has its own."""
        return self.candidates[0] if len(self) and self.candidates.strides[0] == 0 else None

    def distinct_candidates(self) -> NDArray[np.int32]:
        """Return the items that stand in any list, ascending."""
        common = self.common_candidates
        return np.unique(self.candidates if common is None else common)


@dataclass(frozen=True, eq=False)
class Answers:
    """The column of the positive in each query's candidates, shape (n,)."""

    positive_column: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Task:
    """Everything a recommender may learn from. Test answers are not in it."""

    target: Domain
    """The target domain with its training interactions alone; the catalogue lists every item, and under user-split
    the users who are asked for have no row but an empty one."""
    validation: Queries
    """Validation queries (histories from the training part, under user-split of users who are not trained on)."""
    validation_answers: Answers
    """Their answers, for early stopping and model selection; never to be trained on."""
    setting: Setting
    """The protocol's setting."""
    seed: int
    """Seed of training."""
    artifacts: ArtifactStore
    """Where trained models, adapters and vectors are kept, addressed by content."""
    sources: tuple[Domain, ...] = ()
    """Source domains, each with its own training interactions: its train users' under user-split, else warm's."""
    backbone: str | None = None
    """Name or path of the language model, for methods that use one."""
    ranking: Ranking | None = None
    """How a causal language model ranks."""
    engine: Engine | None = None
    """What writes the lists of the ranking ``generate``; None is transformers."""
    device: str = "cpu"
    """Torch device."""
    progress: ProgressHook = field(default=lambda _line: None)
    """Where long jobs report."""
    held: LastLoaded = field(default_factory=LastLoaded)
    """What was loaded for this run, or for the runs of one set before it: a language model above all."""
    source_validation: Callable[[str], tuple[Queries, Answers] | None] = field(default=lambda _name: None)
    """Prepares the validation queries of the source domain of this name; None where it has none."""

    def validation_of(self, domain: Domain) -> tuple[Queries, Answers] | None:
        """Return the validation queries of the target or of a source, with their answers; None where it has none."""
        if domain.name == self.target.name:
            return (self.validation, self.validation_answers) if len(self.validation) else None
        return self.source_validation(domain.name)


class Planned(Protocol):
    """Something to be trained once and shared by all who need it, as :class:`bench.lm.adapters.adapter.AdapterSpec`."""

    @property
    def kind(self) -> str:
        """Kind of artifact under which it is stored."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the domains that it learns from, for people."""

    @property
    def max_examples(self) -> int:
        """Training examples that it reads at most, all passes together."""

    @property
    def start(self) -> str | None:
        """Hash of the key of the planned thing that its training goes on from."""

    def key(self) -> dict[str, Any]:
        """Return all that makes it: what has equal keys is one thing, stored under the hash of this key."""
