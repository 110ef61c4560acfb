"""Reports: tables, plots, comparisons and the HTML report, computed from stored runs.

``tables`` computes the cells, ``formats`` writes a table as text, LaTeX or HTML, ``figures`` draws plots, ``papers``
compares with published results, and ``page`` is the HTML report. ``experiment_report`` combines the outputs of one
experiment, ``two_runs`` compares two runs with paired tests.
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
