"""Return the ranks of a run's queries, with the user and item ids of the dataset's source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.metrics import Metric
from bench.protocol.full_ranking import catalogue_hash
from bench.runs.record import RunRecord, values_per_user
from bench.runs.store import RunStore
from bench.runs.tasks import Tasks

if TYPE_CHECKING:
    import pandas

    from bench.files.folders import Folders
    from bench.protocol.task import PreparedTask, QuerySet


def ranks_frame(record: RunRecord, folders: Folders, metrics: Sequence[str]) -> pandas.DataFrame:
    """Return one row per query of a stored run, in stored order.

    Args:
        record: The run.
        folders: Directories with its ranks and its dataset.
        metrics: Names of the metric columns.

    Raises:
        BenchError: the dataset is not available or has changed since the run.
    """
    import pandas

    prepared = Tasks(folders, lambda _line: None).prepared(record.spec.protocol)
    users, ranks = RunStore(folders.results_dir).ranks(record.id)
    queries = _queries(record, prepared, users)
    values = {name: values_per_user(record, ranks, Metric.parse(name)) for name in metrics}
    return pandas.DataFrame(
        {
            "user_id": prepared.domain.user_ids[users],
            "item_id": prepared.domain.item_ids[queries.lists.positives],
            "rank": 1 + ranks.better + ranks.tied / 2,
            "ties": ranks.tied,
            **values,
        }
    )


def _queries(record: RunRecord, prepared: PreparedTask, users: NDArray[np.int64]) -> QuerySet:
    """Return the queries that a run ranked; raise BenchError if the current data gives others."""
    spec = record.spec
    queries = prepared.test.sample(spec.limit_queries, spec.protocol.seed)
    found = catalogue_hash(prepared) if spec.full_ranking else prepared.candidates_hash
    if found != record.candidates_hash or not np.array_equal(users, queries.queries.users):
        raise BenchError(
            f"The data of '{spec.protocol.dataset}' has changed since run {record.id} ({record.token}): run it "
            f"again, or give the data_dir that it was run with."
        )
    return queries
