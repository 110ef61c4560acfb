"""Name everything that is missing if data cannot be downloaded, and what can be used instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.data.card import Card, OfficialFile, list_cards, load_card
from bench.data.download import DownloadError
from bench.data.locate import is_local, missing_files, shipping_command
from bench.data.own_data import own_datasets
from bench.data.prepare import card_of
from bench.errors import BenchError
from bench.files.folders import DATA_VARIABLE

MOST_NAMED = 12
"""Public datasets without a download that the message names."""


@contextmanager
def naming_missing_files(names: Iterable[str], data_dir: Path | None, cache_dir: Path) -> Iterator[None]:
    """If a download fails, raise an error that names the missing files of all these datasets, not only the first.

    Args:
        names: Target and sources of a run.
        data_dir: Directory with one subdirectory of source data per dataset, or None.
        cache_dir: Directory of the downloads.
    """
    try:
        yield
    except DownloadError as error:
        origins = _origins([card_of(name, data_dir) for name in names])
        missing = {card.name: _missing(card, data_dir, cache_dir) for card in origins}
        raise _without_data(error, {name: files for name, files in missing.items() if files}, data_dir) from error


def without_download(data_dir: Path | None) -> list[str]:
    """Return the names of the datasets that can be used without a download: installed ones and the user's own."""
    return [*_public_without_download(data_dir), *own_datasets(data_dir)]


def _public_without_download(data_dir: Path | None) -> list[str]:
    cards = {card.name: card for card in list_cards()}
    origins = {name: cards.get(card.derived_from, card) for name, card in cards.items()}
    local = {name for name in {card.name for card in origins.values()} if _is_local(cards[name], data_dir)}
    return [name for name, origin in origins.items() if origin.name in local]


def _origins(cards: Iterable[Card]) -> list[Card]:
    found = [load_card(card.derived_from) if card.derived_from else card for card in cards]
    return list({card.name: card for card in found}.values())


def _missing(card: Card, data_dir: Path | None, cache_dir: Path) -> list[OfficialFile]:
    try:
        return missing_files(card, data_dir, cache_dir)
    except BenchError:  # its directory contains no source, which is an error of its own
        return []


def _is_local(card: Card, data_dir: Path | None) -> bool:
    try:
        return is_local(card, data_dir)
    except BenchError:
        return False


def _without_data(error: DownloadError, missing: dict[str, list[OfficialFile]], data_dir: Path | None) -> DownloadError:
    copies = dict.fromkeys(
        shipping_command(card) for card in list_cards() if card.shipped_with and card.name in missing
    )
    parts = [
        f"Cannot download {error.address}: {error.reason}.",
        f"Missing: files of {', '.join(missing)}.",
        "Run the command again to resume, or put the files (or your own interactions.csv) into DIR/<dataset>/ and "
        f"'export {DATA_VARIABLE}=DIR'.",
        *(f"A package contains a copy: {command}." for command in copies),
        _no_download_needed(_public_without_download(data_dir), len(own_datasets(data_dir))),
    ]
    named = DownloadError(" ".join(filter(None, parts)), error.address, error.reason)
    named.choices = "\n".join(f"  {name}: {_listed(files)}" for name, files in missing.items())
    named.add_note(named.choices)  # a notebook prints notes below the error
    return named


def _no_download_needed(public: list[str], n_own: int) -> str:
    """Return which datasets can be used at once; the user knows the names of the own ones."""
    named = public[:MOST_NAMED]
    named += [f"{len(public) - MOST_NAMED} more"] * (len(public) > MOST_NAMED) + [f"{n_own} of your own"] * bool(n_own)
    return f"No download needed: {', '.join(named)}." if named else ""


def _listed(files: list[OfficialFile]) -> str:
    return ", ".join(f"{file.name}, {file.megabytes} MB" if file.megabytes else file.name for file in files)
