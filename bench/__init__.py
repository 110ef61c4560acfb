"""Benchmark recommenders under one protocol: classical, transferable and language-model methods.

The names below are what a notebook, a script or your own method needs. :func:`run`, :func:`compare` and :func:`table`
do the same as the commands of these names. Each name is imported on first use. Every package's docstring lists what
it offers, and the page "Architecture" of the documentation explains how the packages fit together.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.api.datasets import add_dataset, load_domain
    from bench.api.results import compare, table
    from bench.api.runs import Run, Runs, load_run, run, stored_runs
    from bench.data.domain import Domain
    from bench.errors import BenchError
    from bench.plugin.fit_report import FitReport
    from bench.plugin.recommender import Recommender
    from bench.plugin.task import Queries, Task
    from bench.registry import register
    from bench.runs.request import RunRequest
    from bench.runs.store import RunStore
else:
    __getattr__, __dir__ = lazy_names(__name__)

__version__ = "0.2.0"
__all__ = [
    "BenchError",
    "Domain",
    "FitReport",
    "Queries",
    "Recommender",
    "Run",
    "RunRequest",
    "RunStore",
    "Runs",
    "Task",
    "__version__",
    "add_dataset",
    "compare",
    "load_domain",
    "load_run",
    "register",
    "run",
    "stored_runs",
    "table",
]
