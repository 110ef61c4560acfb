"""Write a user's own data as a dataset: generic files and a card in a directory with the dataset's name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.card import OWN_CARD, has_card, load_card, own_data_card
from bench.data.domain import Domain
from bench.data.importing.convert import Converted, converted
from bench.data.importing.formats import open_table
from bench.data.importing.options import ImportOptions
from bench.data.locate import GENERIC_INTERACTIONS, GENERIC_ITEMS, Source
from bench.data.names import check_name
from bench.data.prepare import read_source
from bench.data.readers.formats import GENERIC
from bench.data.source_files import SourceFile
from bench.errors import BenchError
from bench.files.store import take_place, write_text
from bench.files.temporary import sweep, sync_names, synced, temporary_path

if TYPE_CHECKING:
    from bench.data.card import Card
    from bench.data.importing.tables import OpenTable

WRITTEN = (*GENERIC_INTERACTIONS, *GENERIC_ITEMS, OWN_CARD)
"""Files of an import; a directory that contains others is never replaced."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A dataset that was imported."""

    domain: Domain
    """The dataset as it will be loaded."""
    folder: Path
    """Its directory."""
    remarks: tuple[str, ...]
    """Which columns and times were recognized, one line each."""


def import_dataset(
    name: str,
    interactions: Path,
    items: Path | None,
    data_dir: Path,
    options: ImportOptions | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Imported:
    """Write the files of a user as a dataset to ``data_dir/<name>/``, after all of them have been read.

    If the name has a card, the card's rules apply (its k-core, for instance). Otherwise it is the user's own data,
    which is filtered by ``options.k_core``.

    Args:
        name: Name of the dataset.
        interactions: One row per interaction; the ending of its name states the format.
        items: One row per item, or None.
        data_dir: Directory with one subdirectory per dataset; created if missing.
        options: Columns, times and what may be replaced.
        progress: Called with a line before anything is read.

    Raises:
        BenchError: The name is invalid or taken, or the files contain an error; nothing is written.
    """
    options = options or ImportOptions()
    target = new_folder(name, data_dir, options)
    progress(f"Importing {name} into {target}")
    opened = open_table(interactions), open_table(items) if items else None
    return write_dataset(name, *opened, target, options)


def new_folder(name: str, data_dir: Path, options: ImportOptions) -> Path:
    """Return the directory of a dataset to be imported.

    Raises:
        BenchError: the name is invalid, taken, or that of a derived dataset, or the card's k-core is to be changed.
    """
    check_name(name)
    card = load_card(name) if has_card(name) else None
    if card and card.derived_from:
        raise BenchError(
            f"'{name}' is derived from '{card.derived_from}': import that dataset, or choose another name."
        )
    if card and options.k_core:
        raise BenchError(f"'{name}' is filtered as its card states (k_core {card.k_core}): choose another name.")
    target = data_dir / name
    if target.exists() or target.is_symlink():
        _check_replaceable(target, options)
    return target


def check_not_hidden(name: str, data_dir: Path | None) -> None:
    """Raise BenchError if a dataset in the data directory would be used instead of one that this user imports."""
    if data_dir is not None and (data_dir / name).is_dir():
        raise BenchError(
            f"The data directory already has a dataset '{name}', which would be used instead ({data_dir / name}): "
            "choose another name."
        )


def write_dataset(
    name: str, interactions: OpenTable, items: OpenTable | None, target: Path, options: ImportOptions
) -> Imported:
    """Convert a user's tables and write them to ``target``; raise BenchError before anything is in place."""
    data = converted(interactions, items, options)
    sweep(target.parent, target.name)
    temporary = temporary_path(target)
    temporary.mkdir(parents=True)
    try:
        card = _card(name, interactions.name, options)
        domain = _written(card, data, temporary)
        if not has_card(name):
            write_text(temporary / OWN_CARD, _card_text(card, domain))
        synced(temporary)
        if target.exists() or target.is_symlink():  # another import may have taken the name in the meantime
            _check_replaceable(target, options)
        take_place(temporary, target)
        sync_names(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Imported(domain, target, data.remarks)


def _check_replaceable(target: Path, options: ImportOptions) -> None:
    """Raise BenchError unless an existing directory is an earlier import and may be replaced."""
    if not options.overwrite:
        raise BenchError(
            f"{target} already exists: replace it with --overwrite (overwrite=True), or choose another name."
        )
    if target.is_symlink() or not target.is_dir():
        raise BenchError(f"{target} is not a directory of imported data: remove it, or choose another name.")
    others = sorted(path.name for path in target.iterdir() if path.name not in WRITTEN)
    if others:
        raise BenchError(
            f"{target} contains files that no import wrote, such as '{others[0]}': remove it, or choose another name."
        )


def _written(card: Card, data: Converted, folder: Path) -> Domain:
    """Write the generic files and return the dataset that they are read as."""
    interactions, items = folder / GENERIC_INTERACTIONS[-1], folder / GENERIC_ITEMS[-1]
    _write_csv(interactions, data.interactions)
    if data.items is not None:
        _write_csv(items, data.items)
    source = Source(GENERIC, SourceFile(interactions), SourceFile(items) if data.items is not None else None)
    return read_source(card, source)


def _write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow
    from pyarrow import csv

    csv.write_csv(pyarrow.table(dict(columns)), path)


def _card(name: str, source: str, options: ImportOptions) -> Card:
    if has_card(name):
        return load_card(name)
    return replace(own_data_card(name), description=f"Your own data from {source}.", k_core=options.k_core)


def _card_text(card: Card, domain: Domain) -> str:
    """Return a card for the dataset's directory, which describes it in lists and keeps its k-core."""
    import yaml

    sizes = f"{domain.n_users:,} users, {domain.n_items:,} items, {domain.n_interactions:,} interactions"
    facts: dict[str, Any] = {
        "name": card.name,
        "description": f"{card.description.removesuffix('.')}: {sizes}.",
        "format": card.format,
        "licence": card.licence,
    }
    if card.k_core > 1:
        facts["k_core"] = card.k_core
    return yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=120)
