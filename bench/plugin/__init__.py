"""The contract between the engine and a recommender.

A recommender is one class with a frozen ``Params`` dataclass, ``fit`` and ``score``::

    @register("sasrec", family="sequential", paper="Kang & McAuley 2018")
    class SASRec(Recommender):
        @dataclass(frozen=True)
        class Params:
            dropout: float = field(default=0.5, metadata=at_least(0) | below(1))
            \"\"\"Share of units dropped in training.\"\"\"

        def fit(self, task: Task) -> None: ...
        def score(self, queries: Queries) -> np.ndarray: ...

It receives training histories, validation queries with answers, and test queries without answers.

``task`` defines the inputs of a recommender, ``recommender`` its base classes, ``entry`` its registry entry,
``fit_report`` the report of a fit, ``ranges`` the allowed values of a parameter, and ``last_loaded`` a cache shared by
several runs. ``tell`` shows phases and steps in a task's progress. The project's own methods import these names from
here, as yours do.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.plugin.entry import Entry, Family, RunsOn
    from bench.plugin.fit_report import AdapterReport, Ending, FitReport, MergeReport, PromptReport, TrainingReport
    from bench.plugin.last_loaded import LastLoaded
    from bench.plugin.ranges import above, at_least, at_most, below, between, divides
    from bench.plugin.recommender import (
        NoParams,
        PrivilegedRecommender,
        Recommender,
        Size,
        WrappingRecommender,
        shrinks_to,
    )
    from bench.plugin.task import Answers, Planned, Queries, Task
    from bench.progress import Phase, ProgressHook, Steps, counted, prefixed, tell
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "AdapterReport",
    "Answers",
    "Ending",
    "Entry",
    "Family",
    "FitReport",
    "LastLoaded",
    "MergeReport",
    "NoParams",
    "Phase",
    "Planned",
    "PrivilegedRecommender",
    "ProgressHook",
    "PromptReport",
    "Queries",
    "Recommender",
    "RunsOn",
    "Size",
    "Steps",
    "Task",
    "TrainingReport",
    "WrappingRecommender",
    "above",
    "at_least",
    "at_most",
    "below",
    "between",
    "counted",
    "divides",
    "prefixed",
    "shrinks_to",
    "tell",
]
