"""The Python interface for notebooks and scripts, also used by the command line.

``runs`` carries out runs and finds stored ones, ``results`` compares them and builds tables, ``datasets`` loads
datasets and adds your own. ``requests`` turns keyword arguments into a run request, ``query_ranks`` returns a run's
ranks as a DataFrame. ``bench`` exports the same names: ``bench.run``, ``bench.compare`` and so on.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.api.datasets import add_dataset, load_domain
    from bench.api.results import compare, table
    from bench.api.runs import Run, Runs, load_run, run, stored_runs
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["Run", "Runs", "add_dataset", "compare", "load_domain", "load_run", "run", "stored_runs", "table"]
