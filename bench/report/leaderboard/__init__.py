"""Leaderboards of submitted runs: ``submissions`` verifies files, ``boards`` ranks their runs, ``write`` writes files.

A submission is an archive written by ``bench export``, or a run's directory with its record and its ranks.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.leaderboard.boards import Board, Leaderboard, build_leaderboard
    from bench.report.leaderboard.submissions import Refusal, Submitted, check_submission, read_submissions
    from bench.report.leaderboard.write import write_leaderboard
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Board",
    "Leaderboard",
    "Refusal",
    "Submitted",
    "build_leaderboard",
    "check_submission",
    "read_submissions",
    "write_leaderboard",
]
