"""Whether a stored run may be used again: only while data, candidates, backbone and code are what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.data.locate import is_at_hand
from bench.data.prepare import card_of
from bench.errors import BenchError
from bench.files.revisions import Revision, revision_of
from bench.protocol.full_ranking import catalogue_hash
from bench.registry import registry
from bench.runs.provenance import Provenance, differences

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.runs.record import RunRecord
    from bench.runs.tasks import Tasks
    from bench.spec import RunSpec

PROTOCOL = "bench.protocol.full_ranking"
"""The module behind which all of the protocol's code is: splits, lists, ranks."""


@dataclass(frozen=True)
class Freshness:
    """What speaks against using a stored run again."""

    differences: tuple[str, ...] = ()
    """What is no longer as it was, in a few words each."""
    unchecked: str = ""
    """Why data and backbone could not be compared; empty where they were."""

    @property
    def is_fresh(self) -> bool:
        """Whether nothing speaks against it that is known."""
        return not self.differences


def freshness_of(record: RunRecord, tasks: Tasks) -> Freshness:
    """Compare a stored run with what its spec stands for now; nothing is downloaded and nothing trained for it.

    Without its data a run cannot be made again, so what the record does not state counts against it only with them.
    """
    now = Provenance({}, "", None, code_revisions(record.spec))
    changed = tuple(one.text for one in differences(record.provenance, now) if one.is_known)
    if changed:
        return Freshness(changed)
    missing = _not_at_hand(record.spec, tasks.folders)
    if missing:
        return Freshness(unchecked=missing)
    try:
        now = _provenance_at_hand(record.spec, tasks)
    except BenchError as error:
        return Freshness(unchecked=str(error))
    return Freshness(tuple(one.text for one in differences(record.provenance, now)))


def _provenance_at_hand(spec: RunSpec, tasks: Tasks) -> Provenance:
    """Return what tells whether a stored run is fresh, without reading data that are prepared.

    Equal data under the same code of the protocol have equal candidates, except in the user-split setting, which also
    looks at users' ids and at times.
    """
    if spec.protocol.setting == "user-split":
        return provenance_of(spec, tasks)
    return Provenance(
        data={name: tasks.content_hash(name) for name in _datasets(spec)},
        candidates="",
        backbone=_backbone_revision(spec, tasks),
        revisions=code_revisions(spec),
    )


def provenance_of(spec: RunSpec, tasks: Tasks) -> Provenance:
    """Return the contents that a spec stands for now.

    Raises:
        BenchError: data or backbone cannot be had.
    """
    prepared = tasks.prepared(spec.protocol)
    return Provenance(
        data={name: tasks.content_hash(name) for name in _datasets(spec)},
        candidates=catalogue_hash(prepared) if spec.full_ranking else prepared.candidates_hash,
        backbone=_backbone_revision(spec, tasks),
        revisions=code_revisions(spec),
    )


def code_revisions(spec: RunSpec) -> dict[str, Revision]:
    """Return the revision of the method's code and of the protocol's."""
    module = registry().entry(spec.method).target.partition(":")[0]
    return {"method": revision_of(module), "protocol": revision_of(PROTOCOL)}


def _not_at_hand(spec: RunSpec, folders: Folders) -> str:
    """Return which dataset would have to be fetched; empty where all are here."""
    try:
        cards = [card_of(name, folders.data_dir) for name in _datasets(spec)]
        missing = [card.name for card in cards if not is_at_hand(card, folders.data_dir, folders.cache_dir)]
    except BenchError as error:
        return str(error)
    return f"no data of {' and '.join(missing)} here" if missing else ""


def _backbone_revision(spec: RunSpec, tasks: Tasks) -> str | None:
    if spec.backbone is None:
        return None
    from bench.lm.backbones import TINY
    from bench.lm.loading import named_backbone, planned_backbone

    if spec.backbone != TINY:
        return named_backbone(spec.backbone, tasks.held).revision
    return planned_backbone(tasks.task(spec), registry().entry(spec.method).backbone_kind).revision


def _datasets(spec: RunSpec) -> tuple[str, ...]:
    return (spec.protocol.dataset, *spec.sources)
