"""Verify a dataset from its source files up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.data.build import count_repeats
from bench.data.card import Card, list_cards
from bench.data.checksums import recorded_checksum
from bench.data.events import UNKNOWN_TIME
from bench.data.prepare import card_of, load_domain, read_source, source_of
from bench.files.hashing import file_sha256

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.data.locate import Source


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    passed: bool
    """Whether the check passed."""
    text: str
    """What was checked and found, in one line."""


def verify_dataset(name: str, data_dir: Path | None, cache_dir: Path) -> list[Check]:
    """Read the source again and check the files, the prepared data and the domain's consistency.

    Raises:
        BenchError: The source cannot be found or read.
    """
    card = card_of(name, data_dir)
    source = source_of(card, data_dir, cache_dir)
    fresh, files = read_source(card, source), [_file_check(path, data_dir) for path in source.paths]
    checks = [*files, _titles_file_check(source), *consistency_checks(fresh, card)]
    if all(check.passed for check in files):  # files that fail are never prepared
        checks.append(_prepared_check(fresh, load_domain(name, data_dir, cache_dir)))
        checks += _cut_checks(fresh, card, data_dir, cache_dir)
    return checks


def consistency_checks(domain: Domain, card: Card) -> list[Check]:
    """Check the invariants of a domain, and report how many histories contain their own answer."""
    lengths, touches = np.diff(domain.indptr), domain.item_counts()
    least = max(card.k_core, 1)
    backwards, answers = _n_backwards(domain), _n_last_seen_before(domain)
    return [
        Check(_distinct(domain), f"{domain.n_users:,} user ids and {domain.n_items:,} item ids are distinct"),
        Check(
            bool(lengths.min() >= least and touches.min() >= least),
            f"every user has {lengths.min()} or more events, every item {touches.min()}; expected at least {least}",
        ),
        Check(backwards == 0, f"{backwards:,} events are earlier in time than the event before them in the history"),
        Check(True, f"{count_repeats(domain):,} events repeat an earlier (user, item) pair"),
        Check(True, f"{answers:,} users interacted with their last item before, so their history contains the answer"),
    ]


def _file_check(path: Path, data_dir: Path | None) -> Check:
    actual, recorded = file_sha256(path), recorded_checksum(path, data_dir)
    if not recorded:
        return Check(True, f"{path.name} has SHA-256 {actual}; none is recorded to compare with")
    agrees = "as recorded" if actual == recorded else f"but {recorded} is recorded"
    return Check(actual == recorded, f"{path.name} has SHA-256 {actual}, {agrees}")


def _titles_file_check(source: Source) -> Check:
    return Check(True, f"titles are read from {source.items}" if source.items else "there is no file with titles")


def _prepared_check(fresh: Domain, prepared: Domain) -> Check:
    same = fresh.content_hash == prepared.content_hash and np.array_equal(fresh.item_ids, prepared.item_ids)
    text = f"the prepared data (content hash {prepared.content_hash}) match the source read again"
    return Check(bool(same), text if same else text.replace("equal", "differ from"))


def _cut_checks(domain: Domain, card: Card, data_dir: Path | None, cache_dir: Path) -> list[Check]:
    if not card.derived_from:
        return []
    siblings = [other.name for other in list_cards() if other.derived_from == card.derived_from and other != card]
    own = set(domain.item_ids.tolist())
    shared = sum(len(own & set(load_domain(name, data_dir, cache_dir).item_ids.tolist())) for name in siblings)
    return [Check(shared == 0, f"{shared} items are shared with {', '.join(siblings)}")]


def _distinct(domain: Domain) -> bool:
    return all(len(np.unique(ids)) == len(ids) for ids in (domain.user_ids, domain.item_ids))


def _n_backwards(domain: Domain) -> int:
    if domain.timestamps is None:
        return 0
    known = domain.timestamps != UNKNOWN_TIME
    times, users = domain.timestamps[known], domain.users_of_interactions()[known]
    return int(((np.diff(times) < 0) & (np.diff(users) == 0)).sum())


def _n_last_seen_before(domain: Domain) -> int:
    histories = (domain.history(user) for user in range(domain.n_users))
    return sum(bool((history[:-1] == history[-1]).any()) for history in histories)
