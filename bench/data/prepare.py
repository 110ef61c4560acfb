"""Load datasets: read source files and cache the prepared domain."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.build import build_domain
from bench.data.card import LIST_COMMAND, Card, has_card, list_cards, load_card, own_data_card
from bench.data.checksums import check_recorded
from bench.data.domain_files import read_domain, stored_content_hash, write_domain
from bench.data.events import ItemFacts
from bench.data.locate import Source, is_at_hand, locate, own_folders
from bench.data.names import checked_name
from bench.data.readers.formats import FORMATS, GENERIC
from bench.errors import unknown_name
from bench.files.hashing import file_sha256
from bench.files.revisions import revision_of
from bench.files.store import ArtifactStore, read_json, write_json

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.progress import ProgressHook

KIND = "domains"
LARGE_FILE_BYTES = 64 << 20
"""Checksums of files from this size on are cached by (path, size, modification time)."""


def load_domain(
    name: str, data_dir: Path | None, cache_dir: Path, progress: ProgressHook = lambda _line: None
) -> Domain:
    """Return a dataset by name, from the cache if its source files and card have not changed.

    Args:
        name: Name of a card, or of a directory with the user's own data.
        data_dir: Directory with one subdirectory of source data per dataset, or None.
        cache_dir: Directory for downloads and prepared data.
        progress: Called with a progress message before long steps.

    Raises:
        BenchError: For an unknown name, missing or damaged source files, or a failed download.
    """
    card = card_of(name, data_dir)
    progress(f"Locating {name}")
    source = source_of(card, data_dir, cache_dir, progress)
    store = ArtifactStore(cache_dir, progress=progress)
    key = _key(card, source, data_dir, cache_dir)

    def make(folder: Path) -> None:
        progress(f"Preparing {name}")
        write_domain(read_source(card, source), folder)

    domain = read_domain(store.get_or_make(KIND, key, make))
    return dataclasses.replace(domain, order_as_days=card.order_as_days)


def prepared_hash(name: str, data_dir: Path | None, cache_dir: Path) -> str | None:
    """Return the content hash of a prepared dataset without reading it; None if it is not prepared.

    Raises:
        BenchError: For an unknown name, or damaged source files.
    """
    card = card_of(name, data_dir)
    if not is_at_hand(card, data_dir, cache_dir):
        return None
    key = _key(card, source_of(card, data_dir, cache_dir), data_dir, cache_dir)
    store = ArtifactStore(cache_dir)
    try:
        return stored_content_hash(store.path(KIND, key)) if store.made(KIND, key) else None
    except (OSError, ValueError, AttributeError):  # damaged: it is prepared again when needed
        return None


def card_of(name: str, data_dir: Path | None) -> Card:
    """Return the card with this name, in any case; for a user's own data, the card in its directory or a default one.

    Raises:
        BenchError: An invalid or unknown name, or a data directory that does not exist.
    """
    name = checked_name(name)
    if has_card(name):
        return load_card(name)
    own = own_folders(data_dir)
    if name in own:
        return own_data_card(name, own[name])
    raise unknown_name("dataset", name, [*(card.name for card in list_cards()), *own], LIST_COMMAND)


def source_of(
    card: Card, data_dir: Path | None, cache_dir: Path, progress: ProgressHook = lambda _line: None
) -> Source:
    """Return the source files of a card; a derived dataset uses those of its original dataset."""
    origin = load_card(card.derived_from) if card.derived_from else card
    return locate(origin, data_dir, cache_dir, progress)


def read_source(card: Card, source: Source) -> Domain:
    """Read the source files and build the domain, without using the cache."""
    reader = FORMATS[source.format]
    events = reader.interactions(source.interactions)
    wanted = frozenset(events.items.ids.tolist())
    facts = ItemFacts() if source.items is None else reader.items(source.items, wanted)
    return build_domain(card, events, facts, _source_note(card, source))


def checksum(path: Path, cache_dir: Path, data_dir: Path | None = None) -> str:
    """Return a file's SHA-256, cached for large files; raise BenchError if a recorded one differs."""
    state = path.stat()
    if state.st_size < LARGE_FILE_BYTES:
        actual = file_sha256(path)
    else:
        facts = [str(path.resolve()), state.st_size, state.st_mtime_ns]
        folder = ArtifactStore(cache_dir).get_or_make("checksums", facts, lambda made: _note_checksum(path, made))
        actual = str(read_json(folder / "sha256.json"))
    check_recorded(path, data_dir, actual=actual)
    return actual


def _note_checksum(path: Path, folder: Path) -> None:
    write_json(folder / "sha256.json", file_sha256(path))


def _key(card: Card, source: Source, data_dir: Path | None, cache_dir: Path) -> dict[str, Any]:
    return {
        "card": _facts_of(card),
        "format": source.format,
        "files": [[path.name, checksum(path, cache_dir, data_dir)] for path in source.paths],
        "revision": revision_of(__name__),
    }


def _facts_of(card: Card) -> dict[str, Any]:
    """Return what the card states, without what does not affect prepared files."""
    facts = dataclasses.asdict(card)
    del facts["order_as_days"], facts["title"]
    for file in (facts["files"] or {}).values():
        if file is not None:
            del file["megabytes"]
    return facts


def _source_note(card: Card, source: Source) -> str:
    if source.format == GENERIC and card.format != GENERIC:
        return f"Read from {source.interactions.path.name}, not from the official files."
    return ""
