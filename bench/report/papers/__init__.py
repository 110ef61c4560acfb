"""Our results compared with published ones: ``printed_beside_ours``, and ``impossible_cells`` for inconsistent ones."""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.papers.impossible_cells import Audit, audits_of, render_audits
    from bench.report.papers.printed_beside_ours import Beside, beside_published, counts_beside_published, render_beside
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Audit",
    "Beside",
    "audits_of",
    "beside_published",
    "counts_beside_published",
    "render_audits",
    "render_beside",
]
