"""Runs: from what a user asks for to the record that is stored.

``request`` is what is asked for; options and shell commands are derived from its fields. ``params`` reads
hyper-parameters, ``complete`` turns a request into a specification, ``plan`` says what a set of runs would train.
``tasks`` prepares what a recommender learns from, ``engine`` fits, scores and ranks: :func:`run` is one run.
``record`` is its result and ``store`` keeps it, as ``packs`` and ``rank_files`` on disk; ``older_records`` and
``migrate`` bring older ones into today's shape. ``provenance`` states what a result depends on, ``freshness`` and
``data_check`` compare that with the code and data at hand. ``environment`` measures time and memory and chooses the
device.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.runs.engine import checked_scores, run
    from bench.runs.environment import Meter, chosen_device, package_versions
    from bench.runs.freshness import Freshness, freshness_of
    from bench.runs.params import build_params, overrides, parse_assignments
    from bench.runs.plan import AdapterJob, Plan, RunJob, plan_of, plan_runs
    from bench.runs.provenance import Provenance
    from bench.runs.record import RunRecord, describe_variant, summarize
    from bench.runs.request import RunRequest
    from bench.runs.store import RunStore
    from bench.runs.tasks import Tasks, recommender_of, task_of
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "AdapterJob",
    "Freshness",
    "Meter",
    "Plan",
    "Provenance",
    "RunJob",
    "RunRecord",
    "RunRequest",
    "RunStore",
    "Tasks",
    "build_params",
    "checked_scores",
    "chosen_device",
    "describe_variant",
    "freshness_of",
    "overrides",
    "package_versions",
    "parse_assignments",
    "plan_of",
    "plan_runs",
    "recommender_of",
    "run",
    "summarize",
    "task_of",
]
