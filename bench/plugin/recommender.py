"""The base classes of every recommender."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from numpy.typing import NDArray

from bench.plugin.fit_report import FitReport

if TYPE_CHECKING:
    import numpy as np

    from bench.plugin.entry import Entry
    from bench.plugin.task import Answers, Planned, Queries, Task

Size = Literal["examples", "validation"]
"""What a scale of experiments limits: training examples of a domain in an epoch, or validation queries."""


def shrinks_to(size: Size) -> dict[str, Size]:
    """Return the ``metadata`` of a parameter that experiments set to their scale's size of this kind."""
    return {"shrinks_to": size}


@dataclass(frozen=True)
class NoParams:
    """A method without hyper-parameters."""


class Recommender(ABC):
    """Base class of every recommender; see :mod:`bench.plugin`."""

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
