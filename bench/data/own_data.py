"""Find the datasets that users added themselves, in the data directory and in that of their imported data."""

from __future__ import annotations

from pathlib import Path

from bench.data.card import card_names, has_card, load_card, own_data_card
from bench.data.locate import find_in, own_folders
from bench.errors import BenchError


def own_datasets(data_dir: Path | None) -> dict[str, Path]:
    """Return the directories of the datasets without a card in bench, by name.

    Other directories, which contain neither source files nor a card with an address, are left out.

    Raises:
        BenchError: The data directory does not exist.
    """
    return {
        name: folder
        for name, folder in own_folders(data_dir).items()
        if not has_card(name) and _is_dataset(name, folder)
    }


def described(name: str, folder: Path) -> str:
    """Return the description of a user's own dataset; of an unreadable card, what is wrong with it."""
    try:
        return own_data_card(name, folder).description
    except BenchError as error:
        return str(error)


def sources_of(name: str, data_dir: Path | None) -> tuple[str, ...]:
    """Return the default source datasets on the card of a dataset; none if it has no card, or is unknown."""
    if has_card(name):
        return load_card(name).sources
    own = own_datasets(data_dir) if data_dir is None or data_dir.is_dir() else own_datasets(None)
    return own_data_card(name, own[name]).sources if name in own else ()


def dataset_names(data_dir: Path | None) -> list[str]:
    """Return the names of all datasets, with the user's own ones last; a data directory that is missing has none."""
    try:
        own = own_datasets(data_dir)
    except BenchError:
        own = own_datasets(None)
    return [*card_names(), *own]


def _is_dataset(name: str, folder: Path) -> bool:
    try:
        card = own_data_card(name, folder)
    except BenchError:
        return True  # the card is damaged, and whoever lists the datasets should see it
    return bool(card.files or card.derived_from or find_in(folder, card))
