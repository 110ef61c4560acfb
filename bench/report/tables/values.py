"""Per-user values of the runs in one column group, with checks that they are comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.metrics import Metric, Ranks
from bench.runs.record import RunRecord, values_per_user

if TYPE_CHECKING:
    from bench.report.tables.layout import Slot
    from bench.runs.store import RunStore


@dataclass(frozen=True, eq=False)
class SlotValues:
    """The runs of one row in one column group with their ranks, one per seed."""

    records: tuple[RunRecord, ...]
    ranks: tuple[Ranks, ...]

    def by_seed(self, metric: str) -> NDArray[np.float64]:
        """Return the metric per seed and user, shape (n_seeds, n_users)."""
        parsed = Metric.parse(metric)
        runs = zip(self.records, self.ranks, strict=True)
        return np.stack([values_per_user(record, ranks, parsed) for record, ranks in runs])


def read_group(slots: Sequence[Slot], store: RunStore) -> list[SlotValues]:
    """Read the ranks of one column group, one entry per slot; raise BenchError if runs cannot be compared."""
    records = [record for slot in slots for record in slot.records]
    check_same_candidates(records)
    check_same_data(records)
    first: tuple[RunRecord, NDArray[np.int64]] | None = None
    group = []
    for slot in slots:
        ranks = []
        for record in slot.records:
            queries = store.queries_of(record)
            first = first or (record, queries.users)
            check_same_queries(*first, record, queries.users)
            ranks.append(queries.ranks)
        group.append(SlotValues(slot.records, tuple(ranks)))
    return group


def check_same_candidates(records: Sequence[RunRecord]) -> None:
    """Raise BenchError unless all runs ranked the same candidates."""
    for record in records[1:]:
        if record.spec.full_ranking != records[0].spec.full_ranking:
            raise BenchError(
                f"{_named(records[0])} and {_named(record)} cannot be compared: one ranked candidate lists, the other "
                "the full catalogue."
            )
        if record.candidates_hash != records[0].candidates_hash:
            raise BenchError(
                f"{_named(records[0])} and {_named(record)} cannot be compared: they ranked different candidates "
                f"({records[0].candidates_hash} and {record.candidates_hash}). Run the older one again."
            )


def check_same_data(records: Sequence[RunRecord]) -> None:
    """Raise BenchError unless all runs used the same version of each dataset and language model they have in common."""
    first: dict[str, tuple[RunRecord, str]] = {}
    for record in records:
        contents = {f"data of '{name}'": content for name, content in record.data.items()}
        # a toy is trained on a run's own domains, and older records only contain the revision of the weights
        if record.backbone is not None and not record.toy and record.provenance.is_complete:
            contents[f"language model '{record.backbone['name']}'"] = str(record.backbone["revision"])
        for what, content in contents.items():
            other, stated = first.setdefault(what, (record, content))
            if stated != content:
                raise BenchError(
                    f"{_named(other)} and {_named(record)} cannot be compared: they used different {what} "
                    f"({stated} and {content}). Run the older one again."
                )


def check_same_queries(
    record_a: RunRecord, users_a: NDArray[np.int64], record_b: RunRecord, users_b: NDArray[np.int64]
) -> None:
    """Raise BenchError unless both runs scored the same users in the same order."""
    if not np.array_equal(users_a, users_b):
        raise BenchError(
            f"{_named(record_a)} and {_named(record_b)} cannot be compared: they scored different users "
            f"({len(users_a)} and {len(users_b)}). Run both with the same --limit."
        )


def _named(record: RunRecord) -> str:
    return f"{record.token} ({record.id})"
