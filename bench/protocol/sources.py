"""Check and count what a source has in common with its target.

Domains of one shop or one collection share users, items and titles. If a source trains on an item with a cold item's
title, that item is not cold: :func:`bench.protocol.splits.source_training` leaves it out, and this module checks that.
Other overlap is counted, and a warning is given if answers of the target's test could be learned from a source.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.domain import Domain, normalize_title
from bench.errors import BenchError
from bench.protocol.task import PreparedTask, order_warnings


@dataclass(frozen=True)
class Overlap:
    """Counts of what a target and the training part of a source have in common."""

    users: int | None
    """Users with the same id; None if ids are numbers, which have no meaning across datasets."""
    items: int | None
    """Items with the same id; None if ids are numbers."""
    titles: int
    """Normalized titles of the target's items that the source trains on."""
    answers: int
    """Test positives of the target with such a title."""
    answers_of_user: int | None
    """Those of them whose title the source trains on for the user with the same id; None if ``users`` is None."""


def check_source(source: Domain, cold_titles: Set[str]) -> None:
    """Raise BenchError if a source's training part has an item with the title of a cold item of the target."""
    n_leaked = int(_with_titles(source, cold_titles)[source.items].sum())
    if n_leaked:
        raise BenchError(
            f"{n_leaked} training interactions of source {source.name} are with items that share a cold item's title."
        )


def overlap(source: Domain, prepared: PreparedTask) -> Overlap:
    """Count what a target and the training part of a source have in common."""
    target, users = prepared.domain, prepared.test.queries.users
    trained = source.item_counts() > 0
    names = np.array([normalize_title(title) for title in source.titles], dtype=object)
    known = set(names[trained]) - {""}
    target_names = [normalize_title(title) for title in target.titles]
    asked = [(int(user), target_names[item]) for user, item in zip(users, prepared.test.lists.positives, strict=True)]
    hits = [(user, name) for user, name in asked if name in known]
    shared_users = _shared_ids(target.user_ids, source.user_ids, np.diff(source.indptr) > 0)
    shared_items = _shared_ids(target.item_ids, source.item_ids, trained)
    return Overlap(
        users=None if shared_users is None else len(shared_users),
        items=None if shared_items is None else len(shared_items),
        titles=len(known.intersection(target_names)),
        answers=len(hits),
        answers_of_user=None if shared_users is None else _trained_by_user(source, names, hits, shared_users),
    )


def _trained_by_user(
    source: Domain, names: NDArray[np.object_], asked: list[tuple[int, str]], shared_users: dict[int, int]
) -> int:
    """Count the (user, title) pairs whose title the source trains on for this user; ``names`` are its items' titles."""
    twins = [(shared_users[user], name) for user, name in asked if user in shared_users]
    return sum(name in names[source.history(twin)] for twin, name in twins)


def source_warnings(source: Domain, prepared: PreparedTask) -> list[str]:
    """Return warnings on a source: its order, its items with cold titles, and test answers it trains on."""
    warnings = order_warnings(source, prepared.spec.setting)
    n_cold = int(_with_titles(source, prepared.cold_titles).sum())
    if n_cold:
        warnings.append(f"source {source.name}: {_counted(n_cold, 'item')} with a cold item's title not trained on")
    found = overlap(source, prepared)
    if found.answers:
        warnings.append(_in_words(found, source.name, len(prepared.test)))
    return warnings


def _in_words(found: Overlap, source: str, n_queries: int) -> str:
    of_user = "" if found.answers_of_user is None else f", {found.answers_of_user:,} of them for the same user"
    counts = ((found.users, "user"), (found.items, "item"), (found.titles, "title"))
    shared = ", ".join(_counted(n, what) for n, what in counts if n is not None)
    return (
        f"source {source} trains on the titles of {found.answers:,} of {n_queries:,} test positives{of_user} "
        f"(in common with the target: {shared})"
    )


def _with_titles(source: Domain, titles: Set[str]) -> NDArray[np.bool_]:
    """Return which of a source's items have one of these normalized titles, shape (n_items,)."""
    return np.array([bool(titles) and normalize_title(title) in titles for title in source.titles], dtype=bool)


def _shared_ids(
    target: NDArray[np.str_], source: NDArray[np.str_], trained: NDArray[np.bool_]
) -> dict[int, int] | None:
    """Return a map from target to source index for equal ids that the source trains on; None if ids are numbers."""
    if _are_numbers(target) or _are_numbers(source):
        return None
    places = {name: place for place, name in enumerate(source.tolist()) if trained[place]}
    return {place: places[name] for place, name in enumerate(target.tolist()) if name in places}


def _are_numbers(ids: NDArray[np.str_]) -> bool:
    return all(str(name).isdecimal() for name in ids)


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
