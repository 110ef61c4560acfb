"""Prepare a task from a domain: the split, the histories of the queries and the frozen candidate lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain, normalize_title
from bench.errors import BenchError
from bench.files.hashing import content_hash, derived_seed
from bench.files.revisions import revision_of
from bench.plugin import Answers, Queries
from bench.protocol.candidate_files import stored_lists
from bench.protocol.candidates import CandidateLists, TitleGroups, draw_candidates, shuffled_in
from bench.protocol.popular_negatives import draw_popular
from bench.protocol.splits import Split, split_domain
from bench.protocol.user_split import (
    check_asked_users,
    notes_on_parts,
    with_short_titles,
)
from bench.spec import ProtocolSpec, Setting

if TYPE_CHECKING:
    from bench.files.store import ArtifactStore

FEW_COLD_QUERIES = 200
"""Cold test sets with fewer queries get a warning."""
WARM_VALIDATION = "validation positives are warm items: what is chosen on them is chosen for items known in training"
"""Warning for cold results that depend on early stopping or searches."""

Draw = Callable[[NDArray[np.int64], NDArray[np.int32], np.random.Generator], CandidateLists]
"""Draws one list per (user, positive)."""


@dataclass(frozen=True, eq=False)
class QuerySet:
    """Queries with their answers, and the hash of both."""

    queries: Queries
    answers: Answers
    hash: str

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def lists(self) -> CandidateLists:
        """Return the candidates with their answers."""
        return CandidateLists(self.queries.candidates, self.answers.positive_column)

    def sample(self, limit: int | None, seed: int) -> QuerySet:
        """Return a seeded sample of at most ``limit`` queries in stored order; the hash stays the full set's."""
        if limit is None or limit >= len(self):
            return self
        rng = np.random.default_rng(derived_seed(seed, "limit-queries"))
        rows = np.sort(rng.permutation(len(self))[:limit])
        return QuerySet(self.queries.take(rows), Answers(self.answers.positive_column[rows]), self.hash)


@dataclass(frozen=True, eq=False)
class PreparedTask:
    """A dataset under a protocol: training data, queries, and warnings for readers of the results."""

    spec: ProtocolSpec
    domain: Domain
    """The whole domain; only the engine may use it."""
    training: Domain
    """The same catalogue with the training interactions only."""
    validation: QuerySet
    test: QuerySet
    cold_items: NDArray[np.bool_]
    warnings: tuple[str, ...] = ()

    @property
    def candidates_hash(self) -> str:
        """Hash of the test queries, their candidates and their answers."""
        return self.test.hash

    @cached_property
    def cold_titles(self) -> frozenset[str]:
        """Normalized titles of the cold items, which no source may train on; empty except in the cold setting."""
        titles = {normalize_title(self.domain.titles[item]) for item in np.flatnonzero(self.cold_items)}
        return frozenset(titles - {""})


def prepare_task(domain: Domain, spec: ProtocolSpec, artifacts: ArtifactStore) -> PreparedTask:
    """Split a domain, draw its candidate lists (or read stored ones) and check both for leakage.

    Raises:
        BenchError: the domain has no queries in this setting, or too few items for the candidate lists.
    """
    by_users = spec.setting == "user-split"
    domain = with_short_titles(domain) if by_users else domain
    split = split_domain(domain, spec)
    groups = TitleGroups.of(domain)

    def query_set(part: str, positives_at: NDArray[np.int64], eligible: NDArray[np.bool_]) -> QuerySet:
        draw = _popular(domain, split, groups, spec) if by_users else _uniform(domain, eligible, groups, spec)
        return _query_set(domain, spec, artifacts, groups, split, part, positives_at, draw)

    test = query_set("test", split.test, groups.eligible)
    # no cold items in validation lists either: a method must not see them before the test
    validation = query_set("validation", split.validation, groups.eligible & ~split.cold_items)
    training = domain.keeping(split.train)
    if by_users:
        notes = notes_on_parts(domain, training, len(split.validation), len(split.test), test.lists.positives)
        domain = replace(domain, notes=domain.notes + notes)
    elif spec.setting == "cold":
        domain = replace(domain, notes=(*domain.notes, WARM_VALIDATION))
    prepared = PreparedTask(
        spec, domain, training, validation, test, split.cold_items, _warnings(domain, spec, split, test)
    )
    check_leakage(prepared, groups)
    return prepared


def check_leakage(prepared: PreparedTask, groups: TitleGroups) -> None:
    """Raise BenchError if a test answer could have been seen, or a candidate list is invalid.

    Run on every preparation: cold positives occur in no train or validation part, users of queries in the user-split
    setting are in no other part, users have never interacted with their negatives, the titles of a list are distinct,
    and the positive's column is uniform.
    """
    domain, test = prepared.domain, prepared.test
    for part in (prepared.validation, test):
        groups.check(domain, part.queries.users, part.lists)
    if prepared.spec.setting == "cold":
        seen = np.concatenate([prepared.training.items, prepared.validation.lists.positives])
        leaked = np.intersect1d(test.lists.positives, np.concatenate([seen, test.queries.history_items]))
        if len(leaked):
            raise BenchError(
                f"{len(leaked)} cold test items occur in the training or validation data of {domain.name}."
            )
    if prepared.spec.setting == "user-split":
        asked = [(part.queries, part.lists.positives) for part in (prepared.validation, test)]
        check_asked_users(prepared.training, asked)


def _uniform(domain: Domain, eligible: NDArray[np.bool_], groups: TitleGroups, spec: ProtocolSpec) -> Draw:
    def draw(users: NDArray[np.int64], positives: NDArray[np.int32], rng: np.random.Generator) -> CandidateLists:
        return draw_candidates(domain, users, positives, eligible, groups, spec.n_negatives, rng)

    return draw


def _popular(domain: Domain, split: Split, groups: TitleGroups, spec: ProtocolSpec) -> Draw:
    counts = np.bincount(domain.items[split.train], minlength=domain.n_items)
    weights = np.where(groups.eligible, counts, 0)

    def draw(users: NDArray[np.int64], positives: NDArray[np.int32], rng: np.random.Generator) -> CandidateLists:
        return shuffled_in(positives, draw_popular(domain, users, weights, groups, spec.n_negatives, rng), rng)

    return draw


def _query_set(
    domain: Domain,
    spec: ProtocolSpec,
    artifacts: ArtifactStore,
    groups: TitleGroups,
    split: Split,
    part: str,
    positives_at: NDArray[np.int64],
    draw: Draw,
) -> QuerySet:
    """Build one part's queries: the history of shown interactions before each positive, and its candidates."""
    users = np.searchsorted(domain.indptr, positives_at, side="right") - 1
    shown_before = np.concatenate([[0], np.cumsum(split.shown)])
    lengths = shown_before[positives_at] - shown_before[domain.indptr[users]]
    usable = (lengths > 0) & groups.eligible[domain.items[positives_at]]
    users, positives_at, lengths = users[usable], positives_at[usable], lengths[usable]
    if not len(users):
        raise BenchError(
            f"Dataset '{domain.name}' has no {part} queries in the {spec.setting} setting. "
            f"Try --setting warm or --cold-policy holdout, and see 'bench data stats {domain.name}'."
        )
    key = [revision_of(__name__), domain.content_hash, spec.key(), part]
    # the domain's hash does not include users' ids and times
    key += [content_hash(split.train, split.shown)] if spec.setting == "user-split" else []
    policy = spec.policy if spec.setting == "cold" else "holdout"  # the other lists do not depend on a policy
    rng = np.random.default_rng(derived_seed(spec.seed, "candidates", domain.name, spec.setting, policy, part))
    lists, lists_hash = stored_lists(artifacts, key, users, lambda: draw(users, domain.items[positives_at], rng))
    history_indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    queries = Queries(users, history_indptr, _histories(domain, users, positives_at, split.shown), lists.items)
    return QuerySet(queries, Answers(lists.positive_column), lists_hash)


def _histories(
    domain: Domain, users: NDArray[np.int64], positives_at: NDArray[np.int64], visible: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Return the visible interactions before each positive, user by user."""
    edges = np.zeros(domain.n_interactions + 1, dtype=np.int8)
    # +1 at the start of a user's interactions, -1 at the positive: the running sum is 1 on those before the positive
    edges[domain.indptr[users]] += 1
    edges[positives_at] -= 1
    before_positive = np.cumsum(edges[:-1], dtype=np.int8) > 0
    return domain.items[before_positive & visible].astype(np.int32)


def order_warnings(domain: Domain, setting: Setting) -> list[str]:
    """Return a warning if user-split treats each interaction of a target or source as a separate day."""
    if setting != "user-split" or domain.timestamps is not None:
        return []
    return [f"{domain.name} has no timestamps: each interaction counts as a day of its own"]


def _warnings(domain: Domain, spec: ProtocolSpec, split: Split, test: QuerySet) -> tuple[str, ...]:
    warnings = []
    if spec.setting == "cold" and len(test) < FEW_COLD_QUERIES:
        warnings.append(f"only {len(test)} cold queries: differences between methods are mostly noise")
    warnings += order_warnings(domain, spec.setting)
    dropped = len(split.test) - len(test)
    if dropped:
        warnings.append(f"{dropped} test queries dropped: empty history, or a positive without a title")
    return tuple(warnings)
