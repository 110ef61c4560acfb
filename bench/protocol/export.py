"""Candidate lists as a table for other programs, with the ids of the source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from bench.files.output import written_output

if TYPE_CHECKING:
    from bench.protocol.task import PreparedTask


def export_lists(prepared: PreparedTask, path: Path) -> None:
    """Write the test lists as CSV, whole or not at all.

    Columns: ``user_id``, ``positive`` and ``candidate_1`` to ``candidate_30``; one row for each query.
    """
    domain, test = prepared.domain, prepared.test
    columns = {"user_id": domain.user_ids[test.queries.users], "positive": domain.item_ids[test.lists.positives]}
    for column in range(test.queries.candidates.shape[1]):
        columns[f"candidate_{column + 1}"] = domain.item_ids[test.queries.candidates[:, column]]
    with written_output(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False)
