"""Where the jobs of a plan run: processes on this machine, a Ray cluster, or Slurm.

:mod:`bench.runs.executors.walk` follows the plan: it starts a job when everything it needs is done, and reports the
outcome of each. An executor takes jobs and returns futures; :mod:`bench.runs.executors.job` is the worker's side. All
workers share the cache and results directories.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.runs.executors.choice import ExecutorChoice
    from bench.runs.executors.job import Outcome, Resources, WorkItem
    from bench.runs.executors.walk import Executor, carry_out, failures
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["Executor", "ExecutorChoice", "Outcome", "Resources", "WorkItem", "carry_out", "failures"]
