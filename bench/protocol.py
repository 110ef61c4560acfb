"""From a domain to a task: splits, histories and the frozen candidate lists.

``warm`` is leave-one-out: a user's last item is the test positive, the second-last the validation positive, the
rest is trained on. ``cold`` asks for items that nobody's train or validation part holds: ``holdout`` removes a
seeded share of the items from everyone's train and validation part, ``natural`` keeps the users whose last item
happens to occur nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.candidate_files import stored_lists
from bench.candidates import CandidateLists, TitleGroups, draw_candidates
from bench.data.domain import Domain
from bench.errors import BenchError
from bench.hashing import derived_seed
from bench.plugin import Answers, Queries
from bench.spec import ProtocolSpec
from bench.store import ArtefactStore

PROTOCOL_REVISION = 1
"""Raised whenever the same spec would give other queries; part of every candidate file's name."""
MIN_INTERACTIONS = 3
"""A user with fewer interactions is trained on whole: one each is needed for train, validation and test."""
FEW_COLD_QUERIES = 200
"""Below this many queries a cold set carries a warning."""


@dataclass(frozen=True, eq=False)
class Split:
    """Which interactions are trained on, and which are asked for."""

    train: NDArray[np.bool_]
    """Interactions of the training part, shape (n_interactions,)."""
    validation: NDArray[np.int64]
    """Index into the interactions of each validation positive, ascending."""
    test: NDArray[np.int64]
    """Index into the interactions of each test positive, ascending."""
    cold_items: NDArray[np.bool_]
    """Items that no train or validation part may hold, shape (n_items,); all false in the warm setting."""


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
    """A dataset under a protocol: what is trained on, what is asked, and what a reader must be told."""

    spec: ProtocolSpec
    domain: Domain
    """The whole domain; the engine's alone."""
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


def split_domain(domain: Domain, spec: ProtocolSpec) -> Split:
    """Split a domain's interactions as the spec's setting and policy say."""
    users = np.flatnonzero(np.diff(domain.indptr) >= MIN_INTERACTIONS)
    last, second_last = domain.indptr[users + 1] - 1, domain.indptr[users + 1] - 2
    train = np.ones(domain.n_interactions, dtype=bool)
    train[last] = train[second_last] = False
    cold_items = np.zeros(domain.n_items, dtype=bool)
    if spec.setting == "warm":
        return Split(train, second_last, last, cold_items)
    if spec.policy == "holdout":
        cold_items[_held_out_items(domain, spec)] = True
        is_cold = cold_items[domain.items]
        return Split(train & ~is_cold, second_last[~is_cold[second_last]], last[is_cold[last]], cold_items)
    known = train.copy()
    known[second_last] = True
    cold_items = np.bincount(domain.items[known], minlength=domain.n_items) == 0
    return Split(train, second_last, last[cold_items[domain.items[last]]], cold_items)


def prepare_task(domain: Domain, spec: ProtocolSpec, artefacts: ArtefactStore) -> PreparedTask:
    """Split a domain, draw its candidate lists (or read those drawn before) and check both for leaks.

    Raises:
        BenchError: the domain has no query for this setting, or too few items for the candidate lists.
    """
    split = split_domain(domain, spec)
    groups = TitleGroups.of(domain)
    before_test = split.train.copy()
    before_test[split.validation] = True
    draw = partial(_query_set, domain, spec, artefacts, groups)
    test = draw("test", split.test, before_test, groups.eligible)
    validation = draw("validation", split.validation, split.train, groups.eligible & ~split.cold_items)
    prepared = PreparedTask(
        spec, domain, domain.keeping(split.train), validation, test, split.cold_items, _warnings(spec, split, test)
    )
    check_leakage(prepared, groups)
    return prepared


def check_leakage(prepared: PreparedTask, groups: TitleGroups) -> None:
    """Raise BenchError where a test answer could have been seen, or a candidate list is not what it claims.

    Run on every preparation: cold positives occur in no train or validation part, no negative was ever touched by
    the user, the titles of a list are distinct, and the positive's column is uniform.
    """
    domain, test = prepared.domain, prepared.test
    for part in (prepared.validation, test):
        groups.check(domain, part.queries.users, part.lists)
    if prepared.spec.setting == "cold":
        seen = np.concatenate([prepared.training.items, prepared.validation.lists.positives])
        leaked = np.intersect1d(test.lists.positives, np.concatenate([seen, test.queries.history_items]))
        if len(leaked):
            raise BenchError(f"{len(leaked)} cold test items occur in a train or validation part of {domain.name}.")


def _held_out_items(domain: Domain, spec: ProtocolSpec) -> NDArray[np.int64]:
    rng = np.random.default_rng(derived_seed(spec.seed, "holdout", domain.name))
    return rng.permutation(domain.n_items)[: round(spec.holdout_share * domain.n_items)]


def _query_set(
    domain: Domain,
    spec: ProtocolSpec,
    artefacts: ArtefactStore,
    groups: TitleGroups,
    part: str,
    positives_at: NDArray[np.int64],
    visible: NDArray[np.bool_],
    eligible: NDArray[np.bool_],
) -> QuerySet:
    """Build one part's queries: a history of the visible interactions before each positive, and its candidates."""
    users = np.searchsorted(domain.indptr, positives_at, side="right") - 1
    visible_before = np.concatenate([[0], np.cumsum(visible)])
    lengths = visible_before[positives_at] - visible_before[domain.indptr[users]]
    usable = (lengths > 0) & groups.eligible[domain.items[positives_at]]
    users, positives_at, lengths = users[usable], positives_at[usable], lengths[usable]
    if not len(users):
        raise BenchError(
            f"Dataset '{domain.name}' has no {part} query in the {spec.setting} setting. "
            f"Try --setting warm, or --policy holdout; see 'bench data stats {domain.name}'."
        )
    key = [PROTOCOL_REVISION, domain.content_hash, spec.key(), part]
    policy = spec.policy if spec.setting == "cold" else "holdout"  # the warm lists know of no policy
    rng = np.random.default_rng(derived_seed(spec.seed, "candidates", domain.name, spec.setting, policy, part))
    positives = domain.items[positives_at]
    lists = stored_lists(
        artefacts,
        key,
        users,
        lambda: draw_candidates(domain, users, positives, eligible, groups, spec.n_negatives, rng),
    )
    history_indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    queries = Queries(users, history_indptr, _histories(domain, users, positives_at, visible), lists.items)
    return QuerySet(queries, Answers(lists.positive_column), lists.hash(key, users))


def _histories(
    domain: Domain, users: NDArray[np.int64], positives_at: NDArray[np.int64], visible: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Return the visible interactions before each positive, user after user."""
    edges = np.zeros(domain.n_interactions + 1, dtype=np.int8)
    edges[domain.indptr[users]] += 1
    edges[positives_at] -= 1
    before_positive = np.cumsum(edges[:-1]) > 0
    return domain.items[before_positive & visible].astype(np.int32)


def _warnings(spec: ProtocolSpec, split: Split, test: QuerySet) -> tuple[str, ...]:
    warnings = []
    if spec.setting == "cold" and len(test) < FEW_COLD_QUERIES:
        warnings.append(f"only {len(test)} cold queries: differences between methods are mostly noise")
    dropped = len(split.test) - len(test)
    if dropped:
        warnings.append(f"{dropped} test queries dropped: empty history, or a positive without a title")
    return tuple(warnings)
