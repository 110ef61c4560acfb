"""Export candidate lists as CSV for other programs, with the ids of the source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench.files.csv_cells import inert
from bench.files.output import written_output

if TYPE_CHECKING:
    from bench.protocol.task import PreparedTask


def export_lists(prepared: PreparedTask, path: Path) -> None:
    """Write the test lists as CSV, never leaving an incomplete file.

    Ids that a spreadsheet would evaluate as a formula are prefixed with an apostrophe.

    Columns: ``user_id``, ``positive`` and ``candidate_1`` … ``candidate_N``; one row per query.
    """
    domain, test = prepared.domain, prepared.test
    user_ids, item_ids = (np.array(list(map(inert, ids)), object) for ids in (domain.user_ids, domain.item_ids))
    columns = {"user_id": user_ids[test.queries.users], "positive": item_ids[test.lists.positives]}
    for column in range(test.queries.candidates.shape[1]):
        columns[f"candidate_{column + 1}"] = item_ids[test.queries.candidates[:, column]]
    with written_output(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False)
