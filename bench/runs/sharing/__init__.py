"""Share runs as archives: ``run_archives`` writes, checks and imports them.

Nothing in an archive is trusted: hashes, ids and metrics are recomputed before anything is stored.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.runs.sharing.run_archives import ImportedRuns, export_runs, import_runs, verified_runs
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "ImportedRuns",
    "export_runs",
    "import_runs",
    "verified_runs",
]
