"""Share runs and adapters as archives: ``run_archives`` and ``adapter_archives`` write, check and import them.

Nothing in an archive is trusted: hashes, ids and metrics are recomputed before anything is stored.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.runs.sharing.adapter_archives import SharedAdapter, export_adapters, import_adapters
    from bench.runs.sharing.run_archives import ImportedRuns, export_runs, import_runs, verified_runs
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "ImportedRuns",
    "SharedAdapter",
    "export_adapters",
    "export_runs",
    "import_adapters",
    "import_runs",
    "verified_runs",
]
