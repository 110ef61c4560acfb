"""Datasets: turn a card and source files into a :class:`Domain`, the arrays that all other packages read.

A ``card`` describes a dataset. ``locate`` finds its source files or downloads them, ``readers`` read them into
``events``, ``build`` filters and numbers these, and ``prepare`` does all of it and caches the result; callers use
:func:`load_domain`. ``importing`` imports a user's own data, ``own_data`` lists it, and ``missing`` names the files
that a failed download leaves out. ``counts`` compares a dataset with published counts,
and ``verify`` checks it from its source files up.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.data.card import Card, has_card, list_cards, load_card
    from bench.data.counts import Stats, count_and_keep, kept_statistics, stats_of
    from bench.data.domain import Domain, normalize_title
    from bench.data.events import Events, ItemFacts
    from bench.data.importing.files import import_dataset
    from bench.data.prepare import card_of, load_domain
    from bench.data.verify import Check, verify_dataset
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "Card",
    "Check",
    "Domain",
    "Events",
    "ItemFacts",
    "Stats",
    "card_of",
    "count_and_keep",
    "has_card",
    "import_dataset",
    "kept_statistics",
    "list_cards",
    "load_card",
    "load_domain",
    "normalize_title",
    "stats_of",
    "verify_dataset",
]
