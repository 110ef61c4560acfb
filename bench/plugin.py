"""The contract between the engine and a recommender.

A recommender is one class with a frozen ``Params`` dataclass, ``fit`` and ``score``::

    @register("sasrec", family="sequential", paper="Kang & McAuley 2018")
    class SASRec(Recommender):
        @dataclass(frozen=True)
        class Params:
            dropout: float = 0.5
            \"\"\"Share of units dropped in training.\"\"\"

        def fit(self, task: Task) -> None: ...
        def score(self, queries: Queries) -> np.ndarray: ...

It sees training histories, validation queries with their answers and test queries without answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain
from bench.files.store import ArtefactStore
from bench.fit_report import FitReport as FitReport  # for whoever writes a recommender
from bench.spec import SETTINGS, Engine, Ranking, Setting

Thing = TypeVar("Thing")
Family = Literal["control", "general", "sequential", "transferable", "language-model", "merging", "integrating"]
RunsOn = Literal["none", "encoder", "decoder", "seq2seq", "text-encoder"]
"""The language model of a method: none; an ``encoder`` that it adapts; a ``decoder`` that it adapts or asks, for which
a smaller model or an encoder may stand in; an encoder-decoder; or a ``text-encoder`` for titles, part of a model of the
method's own, which stays the same at every scale."""
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


class LastLoaded:
    """The last thing loaded of each kind, for whoever asks for the same one next.

    One of a kind at a time: a language model may fill a device. Whoever uses it leaves it as it was found.
    """

    def __init__(self) -> None:
        self._things: dict[str, tuple[Hashable, Any]] = {}

    def get(self, kind: str, key: Hashable, load: Callable[[], Thing]) -> Thing:
        """Return the thing of this kind and key; where another is held, let that go and ``load`` this one."""
        if kind not in self._things or self._things[kind][0] != key:
            self._things.pop(kind, None)  # before the next one is there
            self._things[kind] = key, load()
        thing: Thing = self._things[kind][1]
        return thing

    def close(self) -> None:
        """Let go of everything."""
        self._things.clear()

    def __enter__(self) -> LastLoaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
    artefacts: ArtefactStore
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


class Planned(Protocol):
    """Something to be trained once and shared by all who need it, as :class:`bench.lm.adapters.adapter.AdapterSpec`."""

    @property
    def kind(self) -> str:
        """Kind of artefact under which it is stored."""

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


@dataclass(frozen=True)
class Entry:
    """What is known of a recommender before its module is imported."""

    name: str
    """Name on the command line."""
    family: Family
    """Group in lists and tables."""
    target: str = ""
    """Where the class lives, ``module:Class``."""
    paper: str = ""
    """Short citation."""
    needs_titles: bool = False
    """Whether it reads item titles."""
    needs_sources: bool = False
    """Whether it learns from source domains."""
    runs_on: RunsOn = "none"
    """The language model it runs on."""
    writes_lists: bool = False
    """Whether a decoder may rank for it by the list it writes (``--ranking generate``) as well as by likelihood."""
    settings: tuple[str, ...] = SETTINGS
    """The protocol settings it can run in; a method that learns a vector for each user has no user-split setting."""
    cold_rule: str = ""
    """How it scores an item that was never trained."""
    wraps: bool = False
    """Whether the name takes a suffix, as in ``recbole:<Class>``."""
    transductive: bool = False
    """Whether it adapts to the test queries (without answers) before it scores them."""
    privileged: bool = False
    """Whether the engine hands it the answers; allowed to controls alone."""
    ranks_catalogue: bool = False
    """Whether an item's score is the same in every list, and quickly had for all items, so that full ranking can ask
    for the whole catalogue; see :meth:`Recommender.score`."""

    def __post_init__(self) -> None:
        if self.privileged and self.family != "control":
            raise ValueError(f"'{self.name}' is not a control and may not be privileged")

    @property
    def needs_backbone(self) -> bool:
        """Whether it runs on a language model."""
        return self.runs_on != "none"

    @property
    def backbone_kind(self) -> Literal["encoder", "seq2seq"] | None:
        """The one kind of language model it can be given; None where its name says of what kind it is."""
        return self.runs_on if self.runs_on in ("encoder", "seq2seq") else None


Size = Literal["examples", "validation", "slice"]
"""What a scale of experiments limits: training examples of a domain in an epoch, validation queries, or the share of
training users set aside."""


def shrinks_to(size: Size) -> dict[str, Size]:
    """Return the ``metadata`` of a parameter that experiments set to their scale's size of this kind."""
    return {"shrinks_to": size}


@dataclass(frozen=True)
class NoParams:
    """A method without hyper-parameters."""


class Recommender(ABC):
    """Base class of every recommender; see the module docstring."""

    Params: ClassVar[type] = NoParams
    """Frozen dataclass of all hyper-parameters, each with a default and a docstring."""
    entry: ClassVar[Entry]
    """What ``@register`` states."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def adapters(self, task: Task) -> Sequence[Planned]:
        """Return the adapters that ``fit`` will train or find, in that order, without loading a model."""
        return []

    @classmethod
    def plans_adapters(cls) -> bool:
        """Whether there is anything to ask :meth:`adapters` for; where not, no task need be prepared to plan a run."""
        return cls.adapters is not Recommender.adapters

    @abstractmethod
    def fit(self, task: Task) -> None:
        """Learn from the task."""

    @abstractmethod
    def score(self, queries: Queries) -> NDArray[np.floating]:
        """Return one score a candidate, shape (n, 30), larger is better; the engine refuses NaN.

        Registered with ``ranks_catalogue=True``, a method is asked for full ranking as well: the lists are then one,
        the whole catalogue, in some thousand rows at a time (``queries.common_candidates``). An item's score must
        be what it is in a list of 30; :func:`bench.learning.dot_scores.candidate_dots` is quick for both.
        """

    def report(self) -> FitReport:
        """Return what the run record should state about this fit, once test queries have been scored."""
        return FitReport()

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the publication, one sentence each.

        Asked before a fit, by the documentation, it says what holds for these parameters.
        """
        return ()


class PrivilegedRecommender(Recommender):
    """A control that is given the answers, to show that ranks are counted as they should be."""

    @abstractmethod
    def score_with_answers(self, queries: Queries, answers: Answers) -> NDArray[np.floating]:
        """Return one score for each candidate, as :meth:`score` does."""

    def score(self, queries: Queries) -> NDArray[np.floating]:
        """Refuse to score without the answers."""
        raise TypeError(f"{type(self).__name__} scores with answers only")


class WrappingRecommender(Recommender):
    """A recommender for any of several classes, whose registered name takes a suffix: ``recbole:<Class>``."""

    @classmethod
    @abstractmethod
    def wrapping(cls, suffix: str) -> type[Recommender]:
        """Return the recommender for one class; raise BenchError with near names for an unknown one."""
