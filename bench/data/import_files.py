"""Taking a user's own files into a data folder."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.card import has_card, load_card, own_data_card
from bench.data.locate import Source
from bench.data.prepare import read_source
from bench.data.readers.formats import GENERIC
from bench.data.source_files import SourceFile
from bench.errors import BenchError
from bench.files.store import require_new

if TYPE_CHECKING:
    from bench.data.domain import Domain

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def import_dataset(name: str, interactions: Path, items: Path | None, data_dir: Path) -> Domain:
    """Copy generic files into ``data_dir/<name>/`` once they have been read without fault.

    A name that has a card takes the card's rules (its k-core, for instance); any other name is the user's own data,
    of which nothing is filtered.

    Returns:
        The domain that the files give.

    Raises:
        BenchError: For a name that cannot be a folder or is taken, and for any fault in the files.
    """
    if not NAME.fullmatch(name):
        raise BenchError(f"'{name}' is not a valid dataset name: use lower-case letters, digits, '.', '_' and '-'.")
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
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for path, stem in ((interactions, "interactions"), (items, "items")):
            if path is not None:
                shutil.copyfile(path, temporary / f"{stem}.csv{'.gz' if path.suffix == '.gz' else ''}")
        temporary.chmod(0o755)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
