"""Convert older records to the current format, deriving missing facts if possible."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from bench.data.locate import is_at_hand
from bench.data.prepare import card_of
from bench.errors import BenchError
from bench.files.rounding import rounded
from bench.protocol.full_ranking import catalogue_hash
from bench.runs.record import SCHEMA_VERSION, RunRecord

if TYPE_CHECKING:
    from bench.runs.store import RunStore
    from bench.runs.tasks import Tasks
    from bench.spec import ProtocolSpec


def migrated(record: RunRecord, store: RunStore, tasks: Tasks) -> RunRecord:
    """Convert a record of an older version to the current format; a current record is returned unchanged.

    The hash of its ranks is derived from the stored ranks.
    The content hash of the target's data is derived from the candidates if the data is available, because candidates
    are drawn from the data. The versions of the sources and of the code cannot be derived.
    """
    if record.schema_version == SCHEMA_VERSION:
        return record
    return dataclasses.replace(
        record,
        schema_version=SCHEMA_VERSION,
        metrics=rounded(record.metrics),
        data={**_data_of_target(record, tasks), **record.data},
        ranks_sha256=store.queries_of(record).sha256(),
    )


def _data_of_target(record: RunRecord, tasks: Tasks) -> dict[str, str]:
    """Return the content hash of the target's data by name; empty if it cannot be derived."""
    protocol: ProtocolSpec = record.spec.protocol
    folders = tasks.folders
    try:
        if not is_at_hand(card_of(protocol.dataset, folders.data_dir), folders.data_dir, folders.cache_dir):
            return {}
        prepared = tasks.prepared(protocol)
    except BenchError:
        return {}
    candidates = catalogue_hash(prepared) if record.spec.full_ranking else prepared.candidates_hash
    if candidates != record.candidates_hash:
        return {}
    return {protocol.dataset: tasks.domain(protocol.dataset).content_hash}
