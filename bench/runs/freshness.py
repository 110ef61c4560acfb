"""Check whether a stored run can be reused, that is, whether data, candidates, backbone and code are unchanged."""

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
"""The module that imports all of the protocol's code: splits, lists, ranks."""


@dataclass(frozen=True)
class Freshness:
    """The reasons against reusing a stored run."""

    differences: tuple[str, ...] = ()
    """What has changed, in a few words each."""
    unchecked: str = ""
    """Why data and backbone could not be compared; empty if they were."""

    @property
    def is_fresh(self) -> bool:
        """Whether no change is known."""
        return not self.differences


def freshness_of(record: RunRecord, tasks: Tasks) -> Freshness:
    """Compare a stored run with the current contents of its spec, without downloading or training anything.

    A run cannot be repeated without its data, so facts missing from the record count against it only if the data is
    available.
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
    """Return the provenance that decides whether a stored run is fresh, without reading prepared data.

    Equal data under the same protocol code gives equal candidates, except in the user-split setting, which also depends
    on users' ids and timestamps.
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
    """Return the current contents of a spec's data, candidates, backbone and code.

    Raises:
        BenchError: data or backbone is not available.
    """
    prepared = tasks.prepared(spec.protocol)
    return Provenance(
        data={name: tasks.content_hash(name) for name in _datasets(spec)},
        candidates=catalogue_hash(prepared) if spec.full_ranking else prepared.candidates_hash,
        backbone=_backbone_revision(spec, tasks),
        revisions=code_revisions(spec),
    )


def code_revisions(spec: RunSpec) -> dict[str, Revision]:
    """Return the revisions of the method's code and of the protocol's code; only the latter for external scores."""
    if spec.is_external:
        return {"protocol": revision_of(PROTOCOL)}
    module = registry().entry(spec.method).target.partition(":")[0]
    return {"method": revision_of(module), "protocol": revision_of(PROTOCOL)}


def _not_at_hand(spec: RunSpec, folders: Folders) -> str:
    """Return which datasets would have to be downloaded; empty if all are available."""
    try:
        cards = [card_of(name, folders.data_dir) for name in _datasets(spec)]
        missing = [card.name for card in cards if not is_at_hand(card, folders.data_dir, folders.cache_dir)]
    except BenchError as error:
        return str(error)
    return f"the data of {' and '.join(missing)} is not available" if missing else ""


def _backbone_revision(spec: RunSpec, tasks: Tasks) -> str | None:
    if spec.backbone is None:
        return None
    from bench.lm.backbones import SMOLLM2, TINY
    from bench.lm.loading import named_backbone, planned_backbone
    from bench.lm.smollm2 import planned_smollm2

    if spec.backbone == SMOLLM2:
        return planned_smollm2(tasks.folders.artifacts).revision
    if spec.backbone != TINY:
        return named_backbone(spec.backbone, tasks.held).revision
    return planned_backbone(tasks.task(spec), registry().entry(spec.method).backbone_kind).revision


def _datasets(spec: RunSpec) -> tuple[str, ...]:
    return (spec.protocol.dataset, *spec.sources)
