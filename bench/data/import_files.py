"""Import a user's own files into a data directory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.card import has_card, load_card, own_data_card
from bench.data.locate import Source
from bench.data.names import check_name
from bench.data.prepare import read_source
from bench.data.readers.formats import GENERIC
from bench.data.source_files import SourceFile
from bench.errors import BenchError
from bench.files.store import require_new
from bench.files.temporary import sweep, sync_names, synced, temporary_path

if TYPE_CHECKING:
    from bench.data.domain import Domain


def import_dataset(name: str, interactions: Path, items: Path | None, data_dir: Path) -> Domain:
    """Copy generic files to ``data_dir/<name>/`` after they have been read without errors.

    If the name has a card, the card's rules apply (its k-core, for instance). Otherwise it is the user's own data,
    which is not filtered.

    Returns:
        The domain built from the files.

    Raises:
        BenchError: The name is invalid or taken, or the files contain an error.
    """
    check_name(name)
    card = load_card(name) if has_card(name) else own_data_card(name)
    if card.derived_from:
        raise BenchError(
            f"'{name}' is derived from '{card.derived_from}': import that dataset, or choose another name."
        )
    target = data_dir / name
    require_new(target)
    for path in (interactions, *([items] if items else [])):
        if not path.is_file():
            raise BenchError(f"File {path} does not exist.")
    domain = read_source(card, Source(GENERIC, SourceFile(interactions), SourceFile(items) if items else None))
    _copy(interactions, items, target)
    return domain


def _copy(interactions: Path, items: Path | None, target: Path) -> None:
    sweep(target.parent, target.name)
    temporary = temporary_path(target)
    temporary.mkdir(parents=True)
    try:
        for path, stem in ((interactions, "interactions"), (items, "items")):
            if path is not None:
                shutil.copyfile(path, temporary / f"{stem}.csv{'.gz' if path.suffix == '.gz' else ''}")
        synced(temporary)
        require_new(target)  # another import may have taken the name in the meantime
        temporary.rename(target)
        sync_names(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
