"""A part of a store whose ranks are read once, for one part of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.runs.rank_files import RankedQueries
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

if TYPE_CHECKING:
    from bench.runs.packs import PackedRun


@dataclass(frozen=True)
class ChosenRuns(RunStore):
    """Some of the records of a store; what was read is kept until this part is dropped."""

    whole: RunStore
    chosen: tuple[RunRecord, ...] = ()
    _queries: dict[str, RankedQueries] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, whole: RunStore, chosen: tuple[RunRecord, ...]) -> ChosenRuns:
        """Return these records of a store."""
        return cls(whole.results_dir, whole, chosen)

    def records(self) -> list[RunRecord]:
        """Return the chosen records in the order of :meth:`RunStore.records`."""
        return list(self.chosen)

    def load(self, run_id: str) -> RunRecord:
        """Return a chosen record, or that of another run of the store."""
        return next((record for record in self.chosen if record.id == run_id), None) or self.whole.load(run_id)

    def queries_of(self, record: RunRecord) -> RankedQueries:
        """Return ranks and top-ranked items, from memory if they were read before."""
        if record.id not in self._queries:
            self._queries[record.id] = super().queries_of(record)
        return self._queries[record.id]

    @property
    def _packed(self) -> dict[str, PackedRun]:  # the whole store has read them
        return self.whole._packed
