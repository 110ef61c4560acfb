"""Send finished runs to experiment trackers: ``tracked`` decides what is sent, one module per tracker how.

A tracker is imported only if it is asked for, and its failures never break a run.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.trackers.tracked import TRACKERS, TrackedRun, require_tracker, send, tracked_run
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["TRACKERS", "TrackedRun", "require_tracker", "send", "tracked_run"]
