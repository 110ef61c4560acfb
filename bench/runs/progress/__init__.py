"""What a run tells about its progress: its state, and its lines in a log, a worker's log or a notebook.

``state`` follows phases, steps and remaining time; ``lines`` writes them as text, and ``run_log`` keeps them with the
run. ``phases`` names the phases of a run, and ``shared`` passes progress on from workers. The displays of the command
line are in :mod:`bench.cli.progress`.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.runs.progress.lines import Lines, as_progress
    from bench.runs.progress.phases import expected_of_job, phases_of
    from bench.runs.progress.run_log import RunLog
    from bench.runs.progress.shared import Follower, SharedProgress
    from bench.runs.progress.state import RunState
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["Follower", "Lines", "RunLog", "RunState", "SharedProgress", "as_progress", "expected_of_job", "phases_of"]
