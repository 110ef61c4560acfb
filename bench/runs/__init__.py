"""Runs: from a user's request to the stored record.

``request`` is the request; options and shell commands are derived from its fields. ``params`` reads hyperparameters,
``complete`` turns a request into a specification, and ``plan`` lists what a set of runs would train. ``tasks`` prepares
the data that a recommender learns from. ``engine`` fits, scores and ranks: :func:`run` carries out one run. ``record``
is its result and ``store`` saves it; ``packs`` and ``rank_files`` are the formats on disk. ``heads`` are the parts of
records that name runs, by which ``find`` finds them; ``superseded`` keeps earlier versions and removes runs. ``sweep``
expands a request for several runs, and ``cache_needs`` tells which artifacts runs need. ``older_records`` and
``migrate`` convert older records. ``provenance`` states what a result depends on, ``freshness`` and ``data_check``
compare that with the current code and data, and ``verify`` checks that stored files are unchanged. ``environment``
measures time and memory and chooses the device. ``external`` exports tasks and imports scores of other programs.
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
