"""Generated interactions of any size, written as a dataset of the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray
from pyarrow import csv

USERS_AT_A_TIME = 200_000
FIRST_SECOND = 1_000_000_000


def write_large(folder: Path, n_users: int, n_items: int, mean_length: int = 10, seed: int = 0) -> int:
    """Write ``interactions.csv`` and ``items.csv``; return the number of interactions.

    Histories have 3 items or more, ``mean_length`` on average, and an item's popularity falls with its rank.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    items = [f"i{item}" for item in range(n_items)]
    csv.write_csv(pa.table({"item_id": items, "title": [f"Title {item}" for item in items]}), folder / "items.csv")
    n_written = 0
    schema = pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.int64())])
    plain = csv.WriteOptions(quoting_style="none")
    with csv.CSVWriter(folder / "interactions.csv", schema, write_options=plain) as writer:
        for start in range(0, n_users, USERS_AT_A_TIME):
            users = np.arange(start, min(start + USERS_AT_A_TIME, n_users))
            lengths = 3 + rng.poisson(mean_length - 3, size=len(users))
            # the square of a uniform number gives the first items of the catalogue a density that falls like 1/sqrt
            chosen = (n_items * rng.random(lengths.sum()) ** 2).astype(np.int64)
            columns = {
                "user_id": pa.compute.binary_join_element_wise(
                    "u", pa.array(np.repeat(users, lengths).astype(str)), ""
                ),
                "item_id": _named("i", chosen),
                "timestamp": FIRST_SECOND + rng.integers(100_000_000, size=len(chosen)),
            }
            writer.write_table(pa.table(columns, schema=schema))
            n_written += len(chosen)
    return n_written


def _named(letter: str, numbers: NDArray[np.int64]) -> pa.Array:
    return pa.compute.binary_join_element_wise(letter, pa.array(numbers.astype(str)), "")
