"""The formats of source files by name, with the two functions that read each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.data.events import Events, ItemFacts
from bench.data.readers import amazon, generic_csv, movielens, recbole_atomic
from bench.data.source_files import SourceFile


@dataclass(frozen=True)
class Format:
    """The two functions that read a family of files."""

    interactions: Callable[[SourceFile], Events]
    """Reads all events in file order."""
    items: Callable[[SourceFile, frozenset[str]], ItemFacts]
    """Reads titles and categories of the given item ids."""


GENERIC = "csv"
ATOMIC = "recbole"
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        GENERIC: Format(generic_csv.read_interactions, generic_csv.read_items),
        ATOMIC: Format(recbole_atomic.read_interactions, recbole_atomic.read_items),
        "amazon-2014": Format(amazon.read_reviews, amazon.read_items_2014),
        "amazon-2018": Format(amazon.read_reviews, amazon.read_items_2018),
        "movielens-100k": Format(movielens.read_ratings, movielens.read_items_100k),
        "movielens-1m": Format(movielens.read_ratings, movielens.read_items_1m),
        "movielens-10m": Format(movielens.read_ratings, movielens.read_items_10m),
    }
)
