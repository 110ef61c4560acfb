"""Build a domain from events in file order: select, filter, renumber, and order in time.

Users and items are numbered by the order of their source ids as text, so the numbering does not depend on the order
of the rows. A user's events are ordered by position if the source has positions, else by (timestamp, file order).
Items without any event are not in the catalogue. Repeated (user, item) events are all kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.data.arrow import Texts, integer_column, text_order, texts_of
from bench.data.domain import Domain
from bench.data.events import GENRE_SEPARATOR, UNKNOWN_TIME, Coded, Events, ItemFacts
from bench.errors import BenchError
from bench.files.hashing import derived_seed

if TYPE_CHECKING:
    from bench.data.card import Card

SECONDS_A_DAY = 86_400
LARGEST_KEY = 2**62


def build_domain(card: Card, events: Events, facts: ItemFacts, source_note: str = "") -> Domain:
    """Return the domain that the card describes; raise BenchError if no event survives its filters."""
    keep = selected(card, events, facts)
    if not keep.any():
        raise BenchError(f"Dataset '{card.name}' has no interactions left after filtering (k_core {card.k_core}).")
    users, user_ids = renumbered(events.users, keep)
    items, item_ids = renumbered(events.items, keep)
    order = _order(events, users, keep)
    times = None if events.timestamps is None else events.timestamps[keep][order]
    has_categories = any(facts.categories.values())
    domain = Domain(
        name=card.name,
        indptr=np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(user_ids)))]).astype(np.int64),
        items=items[order].astype(np.int32),
        titles=tuple(facts.titles.get(item, "") for item in item_ids.tolist()),
        user_ids=user_ids,
        item_ids=item_ids,
        timestamps=None if times is None or (times == UNKNOWN_TIME).all() else times,
        categories=tuple(facts.categories.get(item, "") for item in item_ids.tolist()) if has_categories else None,
    )
    return _with_notes(domain, card, events, source_note)


def selected(card: Card, events: Events, facts: ItemFacts) -> NDArray[np.bool_]:
    """Return a mask of the events kept by the card's genres, user sample, daily draw and k-core, in that order."""
    keep = np.ones(len(events), dtype=bool)
    if card.genres:
        keep &= _of_genres(events.items, facts, card.genres)[events.items.codes]
    if card.user_share < 1:
        keep &= _sampled(events.users, card.user_share)[events.users.codes]
    if card.one_a_day:
        keep[keep] = _one_a_day(events, keep, derived_seed(0, "one event a day", card.name))
    if card.k_core > 1:
        keep[keep] = k_core(events.users.codes[keep], events.items.codes[keep], card.k_core)
    return keep


def k_core(users: NDArray[np.int64], items: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Return a mask of the events in the iterated k-core: every user and every item has at least ``k`` of them.

    Users and items with too few events are dropped together, round after round, until nothing changes; the result
    does not depend on the order of the rounds. Repeated events of one pair each count.

    Args:
        users: User code of each event, non-negative, shape (n_events,).
        items: Item code of each event, non-negative, shape (n_events,).
        k: Minimum number of events; 0 and 1 keep everything.

    Returns:
        Mask of the kept events, shape (n_events,).
    """
    rows = np.arange(len(users))
    while len(rows):
        enough = _frequent(users[rows], k) & _frequent(items[rows], k)
        if enough.all():
            break
        rows = rows[enough]
    keep = np.zeros(len(users), dtype=bool)
    keep[rows] = True
    return keep


def primary_genre(categories: str) -> str:
    """Return the first listed genre."""
    return categories.partition(GENRE_SEPARATOR)[0]


def renumbered(column: Coded, keep: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Texts]:
    """Return contiguous codes of the kept rows and their ids, numbered in the order of the ids as text."""
    kept = column.codes[keep]
    is_present = np.bincount(kept, minlength=len(column.ids)) > 0
    order = text_order(column.ids)
    present = order[is_present[order]]
    numbers = np.full(len(column.ids), -1, dtype=np.int64)
    numbers[present] = np.arange(len(present))
    return numbers[kept], texts_of(column.ids.take(integer_column(present)))


def _order(events: Events, users: NDArray[np.int64], keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    within_user = events.positions if events.positions is not None else events.timestamps
    if within_user is None:
        return np.argsort(users, kind="stable")
    within_user = within_user[keep]
    first, last = (int(within_user.min()), int(within_user.max())) if len(users) else (0, 0)
    span = last - first + 1
    if (int(users.max(initial=0)) + 1) * span < LARGEST_KEY:
        # one sort of both at once takes a third of the time of two
        return np.argsort(users * span + (within_user - first), kind="stable")
    order: NDArray[np.intp] = np.lexsort((within_user, users))
    return order


def _of_genres(items: Coded, facts: ItemFacts, genres: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.array([primary_genre(facts.categories.get(item, "")) in genres for item in items.ids.tolist()])


def _sampled(users: Coded, share: float) -> NDArray[np.bool_]:
    # a hash of the id instead of a random draw, so that the rest of the file does not change which users are kept
    draws = [int.from_bytes(hashlib.sha256(user.encode()).digest()[:8], "big") for user in users.ids.tolist()]
    return np.array(draws, dtype=np.float64) < share * 2.0**64


def _one_a_day(events: Events, keep: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    if events.timestamps is None:
        raise BenchError("Drawing one interaction per user and day needs timestamps, and the source has none.")
    users, days = events.users.codes[keep], events.timestamps[keep] // SECONDS_A_DAY
    # the first event of a day in a random order is a uniform draw from that day
    priority = np.random.default_rng(seed).permutation(len(users))
    order = np.lexsort((priority, days, users))
    first = np.ones(len(users), dtype=bool)
    first[1:] = (np.diff(users[order]) != 0) | (np.diff(days[order]) != 0)
    drawn = np.zeros(len(users), dtype=bool)
    drawn[order[first]] = True
    return drawn


def _frequent(codes: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    frequent: NDArray[np.bool_] = (np.bincount(codes) >= k)[codes]
    return frequent


def _with_notes(domain: Domain, card: Card, events: Events, source_note: str) -> Domain:
    stand_in = f"Offline substitute for {card.stands_in_for}" if card.stands_in_for else ""
    notes = (stand_in, source_note, _title_note(domain), _time_note(domain, events), _repeat_note(domain))
    return replace(domain, notes=tuple(note for note in notes if note))


def _title_note(domain: Domain) -> str:
    if not domain.n_untitled:
        return ""
    return f"{domain.n_untitled:,} of {domain.n_items:,} items have no title."


def _time_note(domain: Domain, events: Events) -> str:
    if domain.timestamps is None:
        order = "the rows' order" if events.positions is None else "positions"
        return f"No timestamps; histories are ordered by {order}."
    n_unknown = int((domain.timestamps == UNKNOWN_TIME).sum())
    return f"{n_unknown:,} of {domain.n_interactions:,} interactions have no timestamp." if n_unknown else ""


def _repeat_note(domain: Domain) -> str:
    n_repeats = count_repeats(domain)
    return f"{n_repeats:,} repeated (user, item) events are kept." if n_repeats else ""


def count_repeats(domain: Domain) -> int:
    """Return how many events repeat an earlier (user, item) pair."""
    pairs = domain.users_of_interactions() * domain.n_items + domain.items
    return int((np.diff(np.sort(pairs)) == 0).sum())
