"""Scores of other programs: export a task, and import scores for its candidates as a run.

``task_files`` writes training data, histories, candidates and validation answers without the test answers.
``score_files`` reads scores from CSV or Parquet, and ``importing`` checks, ranks and stores them.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.runs.external.importing import ExternalScores, import_scores
    from bench.runs.external.score_files import ScoreFile, read_scores
    from bench.runs.external.task_files import ExportedTask, export_task, read_task
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "ExportedTask",
    "ExternalScores",
    "ScoreFile",
    "export_task",
    "import_scores",
    "read_scores",
    "read_task",
]
