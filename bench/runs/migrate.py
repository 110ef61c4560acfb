"""Older records in the shape of today, with what can be derived of what they do not state."""

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
    """Return a record of an older version in today's shape; one of today stays as it is.

    What its ranks are follows from those that are stored.
    The content of the target's data follows from the candidates where the data are here, for these are drawn from
    them. Of the sources, and of the code, nothing that is known today tells what they were.
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
    """Return the content hash of the target's data by its name; nothing where it cannot be told."""
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
