"""The base classes of recommenders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from numpy.typing import NDArray

from bench.plugin.fit_report import FitReport

if TYPE_CHECKING:
    import numpy as np

    from bench.plugin.entry import Entry
    from bench.plugin.task import Answers, Planned, Queries, Task

Size = Literal["examples", "validation"]
"""What a scale limits: training examples per domain and epoch, or validation queries."""


def shrinks_to(size: Size) -> dict[str, Size]:
    """Return the ``metadata`` of a parameter that is limited by an experiment's scale."""
    return {"shrinks_to": size}


@dataclass(frozen=True)
class NoParams:
    """Parameters of a method without hyperparameters."""


class Recommender(ABC):
    """Base class of all recommenders; see :mod:`bench.plugin`."""

    Params: ClassVar[type] = NoParams
    """Frozen dataclass of hyperparameters, each with a default and a docstring."""
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named sets of parameters, selected with ``-p recipe=NAME``; parameters given beside it win."""
    entry: ClassVar[Entry]
    """The registry entry, set by ``@register``."""
    stages: ClassVar[tuple[str, ...]] = ()
    """Phases between training and scoring that the method tells its progress hook, such as ``merge weights``."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def adapters(self, task: Task) -> Sequence[Planned]:
        """Return the adapters that ``fit`` will train or load, in that order, without loading a model."""
        return []

    def train_adapter(self, task: Task, adapter: str) -> None:  # noqa: B027  # optional for a method
        """Train one of :meth:`adapters`, named by the hash of its key, so that several can be trained in parallel.

        A method without it trains them in :meth:`fit`.
        """

    @classmethod
    def plans_adapters(cls) -> bool:
        """Whether the method implements :meth:`adapters`; if not, a run can be planned without preparing a task."""
        return cls.adapters is not Recommender.adapters

    @abstractmethod
    def fit(self, task: Task) -> None:
        """Train on the task."""

    @abstractmethod
    def score(self, queries: Queries) -> NDArray[np.floating]:
        """Return one score per candidate, shape (n, n_candidates); larger is better, and NaN is an error.

        With ``ranks_catalogue=True``, the method is also called for full ranking. All queries then share one list, the
        full catalogue (``queries.common_candidates``), in batches of a few thousand queries. An item's score must be
        the same as in a short list; :func:`bench.learning.dot_scores.candidate_dots` is fast in both cases.
        """

    def report(self) -> FitReport:
        """Return the report of this fit for the run record; called after the test queries have been scored."""
        return FitReport()

    def deviations(self) -> tuple[str, ...]:
        """Return the departures from the publication, one sentence each.

        The documentation calls this before fitting; it then returns the departures of these parameters.
        """
        return ()


class PrivilegedRecommender(Recommender):
    """A control that receives the answers, to check that ranks are computed correctly."""

    @abstractmethod
    def score_with_answers(self, queries: Queries, answers: Answers) -> NDArray[np.floating]:
        """Return one score per candidate, like :meth:`score`."""

    def score(self, queries: Queries) -> NDArray[np.floating]:
        """Raise TypeError, because the answers are missing."""
        raise TypeError(f"{type(self).__name__} scores with answers only")


class WrappingRecommender(Recommender):
    """A recommender for several classes, selected by a suffix of the registered name: ``recbole:<Class>``."""

    @classmethod
    @abstractmethod
    def wrapping(cls, suffix: str) -> type[Recommender]:
        """Return the recommender for one class; raise BenchError with similar names for an unknown class."""

    @classmethod
    def named(cls, suffix: str) -> str:
        """Return the name of a class as it is defined, if ``suffix`` is that name in another case; else ``suffix``."""
        return suffix
