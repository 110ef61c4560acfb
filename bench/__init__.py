"""Benchmark recommenders under one protocol: classical, transferable and language-model methods.

The names below are the public API for methods, plugins and scripts. See the page "Architecture" of the documentation
for an overview of the packages.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.data.prepare import load_domain
    from bench.errors import BenchError
    from bench.plugin.fit_report import FitReport
    from bench.plugin.recommender import Recommender
    from bench.plugin.task import Queries, Task
    from bench.registry import register
    from bench.runs.store import RunStore
else:
    __getattr__, __dir__ = lazy_names(__name__)

__version__ = "0.1.0"
__all__ = [
    "BenchError",
    "Domain",
    "FitReport",
    "Queries",
    "Recommender",
    "RunStore",
    "Task",
    "__version__",
    "load_domain",
    "register",
]
