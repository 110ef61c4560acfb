"""What a finished run is compared with: chance, ``text-knn`` and the best other method on the same candidates."""

from __future__ import annotations

from dataclasses import dataclass

from bench.files.shipped import shipped_folder
from bench.metrics import Metric, chance
from bench.registry import registry
from bench.report.tables.layout import is_reference_row, known_entry
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

REFERENCE = "text-knn"
"""A method that needs no training; a text method with a lower score has learned nothing."""
CHANCE = "random"
"""A method whose expected scores are shown anyway."""
RANKED_BY, RANKED_BY_IN_CATALOGUE = "ndcg@3", "ndcg@10"


@dataclass(frozen=True)
class RunContext:
    """The runs that a run is compared with; None where there is none."""

    reference: RunRecord | None = None
    best: RunRecord | None = None
    """The best run of another method than the run's own and ``text-knn``."""
    own: frozenset[str] = frozenset()
    """Ids of the user's own runs; the others are shipped with the package."""

    def is_shipped(self, record: RunRecord) -> bool:
        """Whether a run is only shipped with the package, so that other commands do not find it by its id."""
        return record.id not in self.own


def context_of(record: RunRecord, store: RunStore) -> RunContext:
    """Return the runs on the same queries and candidates, the user's own before shipped ones."""
    own, shipped = store.records(), RunStore(shipped_folder("measured")).records()
    ids = frozenset(one.id for one in own)
    alike = [one for one in (*own, *shipped) if is_comparable(one, record)]
    metric = RANKED_BY_IN_CATALOGUE if record.spec.full_ranking else RANKED_BY
    others = [one for one in alike if one.spec.method not in (record.spec.method, REFERENCE) and metric in one.metrics]
    references = [one for one in alike if one.spec.method == REFERENCE != record.spec.method]
    return RunContext(
        reference=next(iter(references), None),
        best=max(others, key=lambda one: one.metrics[metric]["value"], default=None),
        own=ids,
    )


def is_comparable(other: RunRecord, record: RunRecord) -> bool:
    """Whether another run ranked the same candidates of the same queries, and its score says how good a method is.

    Toys and the rows that tables do not rank do not say that, but other controls do: a popularity that is hard to beat
    is a rival.
    """
    facts = [
        (one.candidates_hash, one.spec.protocol, one.n_queries, one.spec.limit_queries, one.spec.full_ranking)
        for one in (other, record)
    ]
    if facts[0] != facts[1] or other.toy or other.spec.method == CHANCE:
        return False
    return not is_reference_row([other], known_entry(registry(), other.spec.method))


def chance_of(record: RunRecord, metric: str) -> float:
    """Return the expected value of a random ranking; for full ranking, that of lists of the mean length."""
    facts = record.catalogue
    n_candidates = record.n_candidates if facts is None else round(facts["mean_candidates"])
    return chance(Metric.parse(metric), n_candidates)
