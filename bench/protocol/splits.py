"""Split interactions into training, validation and test parts in each setting.

``warm`` is leave-one-out: a user's last item is the test positive, the second-last is the validation positive, and the
rest is training data. In ``cold``, test positives occur in no train or validation part: ``holdout`` removes a seeded
fraction of the items from all train and validation parts, ``natural`` keeps the users whose last item happens to occur
nowhere else. ``user-split`` splits the users instead of their items (see :mod:`bench.protocol.user_split`); its
negatives are drawn by popularity, and the domain that methods see has short titles.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain, normalize_title
from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.protocol.user_split import TEST, TRAIN, VALIDATION, user_parts, with_short_titles
from bench.spec import ProtocolSpec

MIN_INTERACTIONS = 3
"""Users with fewer interactions are only trained on: train, validation and test need one each."""


@dataclass(frozen=True, eq=False)
class Split:
    """The training, validation and test interactions."""

    train: NDArray[np.bool_]
    """Interactions of the training part, shape (n_interactions,)."""
    shown: NDArray[np.bool_]
    """Interactions that are part of a query's history if they precede its positive, shape (n_interactions,)."""
    validation: NDArray[np.int64]
    """Index into the interactions of each validation positive, ascending."""
    test: NDArray[np.int64]
    """Index into the interactions of each test positive, ascending."""
    cold_items: NDArray[np.bool_]
    """Items that must not occur in train or validation parts, shape (n_items,); only true in the cold setting."""


def split_domain(domain: Domain, spec: ProtocolSpec) -> Split:
    """Split a domain's interactions according to the spec's setting and policy."""
    if spec.setting == "user-split":
        parts = user_parts(domain, spec.seed)
        nothing_cold = np.zeros(domain.n_items, dtype=bool)
        return Split(parts.of(TRAIN), parts.kept, parts.last_of(VALIDATION), parts.last_of(TEST), nothing_cold)
    users = np.flatnonzero(np.diff(domain.indptr) >= MIN_INTERACTIONS)
    last, second_last = domain.indptr[users + 1] - 1, domain.indptr[users + 1] - 2
    train = np.ones(domain.n_interactions, dtype=bool)
    train[last] = train[second_last] = False
    cold_items = np.zeros(domain.n_items, dtype=bool)
    if spec.setting == "warm":
        return Split(train, _with(train, second_last), second_last, last, cold_items)
    if spec.policy == "holdout":
        cold_items[_held_out_items(domain, spec)] = True
        is_cold = cold_items[domain.items]
        train, second_last, last = train & ~is_cold, second_last[~is_cold[second_last]], last[is_cold[last]]
        return Split(train, _with(train, second_last), second_last, last, cold_items)
    known = _with(train, second_last)
    cold_items = np.bincount(domain.items[known], minlength=domain.n_items) == 0
    return Split(train, known, second_last, last[cold_items[domain.items[last]]], cold_items)


def source_training(domain: Domain, protocol: ProtocolSpec, cold_titles: Set[str] = frozenset()) -> Domain:
    """Return a source domain as a method sees it for a target under ``protocol``: only training interactions.

    These are the interactions of the source's train users in the ``user-split`` setting, else the training part of its
    warm split. Items with one of ``cold_titles``, the normalized titles of the target's cold items, are left out,
    because training on them would make the cold items warm.
    """
    own = source_protocol(domain.name, protocol)
    domain = with_short_titles(domain) if own.setting == "user-split" else domain
    return without_titles(domain.keeping(split_domain(domain, own).train), cold_titles)


def source_protocol(source: str, protocol: ProtocolSpec) -> ProtocolSpec:
    """Return the protocol of a source domain for a target under ``protocol``: warm if users are not split."""
    return replace(protocol, dataset=source) if protocol.setting == "user-split" else ProtocolSpec(source)


def without_titles(training: Domain, titles: Set[str]) -> Domain:
    """Return the training interactions without items of these normalized titles; the same object if there are none."""
    if not titles:
        return training
    named = np.array([normalize_title(title) in titles for title in training.titles], dtype=bool)
    leaves = named[training.items]
    return training.keeping(~leaves) if leaves.any() else training


def share_of_training(training: Domain, share: float, seed: int) -> Domain:
    """Return the histories of a seeded sample of users with this fraction of the interactions, to within one user.

    Samples with the same seed are nested: the users of a smaller one are a subset of those of a larger one.
    """
    if share == 1:
        return training
    order = np.random.default_rng(derived_seed(seed, "train-share", training.name)).permutation(training.n_users)
    lengths = np.diff(training.indptr)[order]
    chosen = np.zeros(training.n_users, dtype=bool)
    chosen[order[np.cumsum(lengths) - lengths < share * training.n_interactions]] = True
    return training.keeping(chosen[training.users_of_interactions()])


def users_of_training(training: Domain, n_users: int, subset: int, seed: int) -> Domain:
    """Return the histories of ``n_users`` users, drawn by ``seed`` and the index of the ``subset``.

    Samples of one subset are nested: smaller ones are contained in larger ones. Different subsets are independent.

    Raises:
        BenchError: fewer than ``n_users`` users have training interactions.
    """
    users = np.flatnonzero(np.diff(training.indptr))
    if n_users > len(users):
        raise BenchError(
            f"--train-users is {n_users:,}, but '{training.name}' has only {len(users):,} users with training "
            "interactions."
        )
    rng = np.random.default_rng(derived_seed(seed, "train-users", training.name, str(subset)))
    chosen = np.zeros(training.n_users, dtype=bool)
    chosen[rng.permutation(users)[:n_users]] = True
    return training.keeping(chosen[training.users_of_interactions()])


def _with(mask: NDArray[np.bool_], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = mask.copy()
    mask[at] = True
    return mask


def _held_out_items(domain: Domain, spec: ProtocolSpec) -> NDArray[np.int64]:
    rng = np.random.default_rng(derived_seed(spec.seed, "holdout", domain.name))
    return rng.permutation(domain.n_items)[: round(spec.holdout_share * domain.n_items)]
