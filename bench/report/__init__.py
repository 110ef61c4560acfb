"""Reports: tables, figures, comparisons and one HTML page, computed from stored runs and nothing else.

``tables`` decides what is in each cell, ``formats`` writes a table as text, LaTeX or HTML, ``figures`` draws curves,
``papers`` compares with published numbers and ``page`` is the HTML page. ``experiment_report`` puts together what
belongs to one experiment, ``two_runs`` compares two runs with paired tests.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.report.experiment_report import ExperimentReport, experiment_at, report_of
    from bench.report.two_runs import ComparedRuns, compare_runs
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "ComparedRuns",
    "ExperimentReport",
    "compare_runs",
    "experiment_at",
    "report_of",
]
