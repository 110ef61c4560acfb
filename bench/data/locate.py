"""Find a dataset's source files: in the user's directory, in an installed package, or at the official address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.card import OWN_CARD, Card, OfficialFile, OfficialFiles, load_card
from bench.data.download import download
from bench.data.names import NAME
from bench.data.readers.formats import ATOMIC, GENERIC
from bench.data.source_files import SourceFile
from bench.errors import BenchError
from bench.files.extras import RECBOLE_COMMAND, package_folder
from bench.files.folders import user_data_dir

if TYPE_CHECKING:
    from bench.progress import ProgressHook

GENERIC_INTERACTIONS = ("interactions.csv.gz", "interactions.csv")
GENERIC_ITEMS = ("items.csv.gz", "items.csv")
DOWNLOADS = "downloads"


@dataclass(frozen=True)
class Source:
    """The files of one dataset, and their format."""

    format: str
    """Key of :data:`bench.data.readers.formats.FORMATS`."""
    interactions: SourceFile
    """The events."""
    items: SourceFile | None
    """Titles and categories, if there are any."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The distinct files on disk."""
        files = (self.interactions,) if self.items is None else (self.interactions, self.items)
        return tuple(dict.fromkeys(file.path for file in files))


def locate(card: Card, data_dir: Path | None, cache_dir: Path, progress: ProgressHook = lambda _line: None) -> Source:
    """Return the dataset's source, downloading the official files if there is no other.

    Search order: ``data_dir/<name>/`` (generic, official, then RecBole files), the same in the directory of the user's
    imported data, the installed package that ships a copy, earlier downloads, the official addresses.

    Raises:
        BenchError: There is no source; the message says where to put files.
    """
    found = _in_own_folders(card, data_dir) or _shipped(card)
    if found is not None:
        return found
    if card.files is None:
        raise BenchError(f"No source files for dataset '{card.name}': put them at {by_hand(card.name)}.")
    return _downloaded(card, card.files, cache_dir / DOWNLOADS / card.name, progress)


def is_at_hand(card: Card, data_dir: Path | None, cache_dir: Path) -> bool:
    """Return whether a dataset's source is available locally, so that :func:`locate` would download nothing.

    Raises:
        BenchError: The data directory does not exist, or the dataset's directory in it contains no source.
    """
    origin = load_card(card.derived_from) if card.derived_from else card
    return is_local(origin, data_dir) or (bool(origin.files) and not missing_files(origin, data_dir, cache_dir))


def is_local(card: Card, data_dir: Path | None) -> bool:
    """Return whether a dataset that is not derived is in a directory or an installed package: it needs no download.

    Raises:
        BenchError: as :func:`is_at_hand`.
    """
    return _in_own_folders(card, data_dir) is not None or _shipped(card) is not None


def missing_files(card: Card, data_dir: Path | None, cache_dir: Path) -> list[OfficialFile]:
    """Return the official files of a dataset that is not derived that are yet to be downloaded, each once."""
    if card.files is None or is_local(card, data_dir):
        return []
    folder = cache_dir / DOWNLOADS / card.name
    files = {file.name: file for file in (card.files.interactions, card.files.items) if file is not None}
    return [file for file in files.values() if not (folder / file.name).exists()]


def own_folders(data_dir: Path | None) -> dict[str, Path]:
    """Return the directories with a valid dataset name in the data directory and in that of the user's imported data.

    If both have a directory of one name, that in the data directory is used.

    Raises:
        BenchError: The data directory does not exist.
    """
    shared = [] if data_dir is None else [require_folder(data_dir)]
    imported = user_data_dir()
    parents = [*shared, *([imported] if imported is not None and imported.is_dir() else [])]
    found = {
        path.name: path
        for parent in reversed(parents)
        for path in parent.iterdir()
        if NAME.fullmatch(path.name) and path.is_dir()
    }
    return dict(sorted(found.items()))


def by_hand(name: str) -> str:
    """Return a description of where a user may put source files."""
    return f"$BENCH_DATA/{name}/{GENERIC_INTERACTIONS[0]}"


def shipping_command(card: Card) -> str:
    """Return the shell command that installs the package with a copy of the dataset."""
    return RECBOLE_COMMAND if card.shipped_with == "recbole" else f"pip install {card.shipped_with}"


def require_folder(data_dir: Path) -> Path:
    """Return the data directory; raise BenchError if it does not exist."""
    if not data_dir.is_dir():
        raise BenchError(
            f"The data directory {data_dir} does not exist: set BENCH_DATA or --data-dir to an existing one."
        )
    return data_dir


def find_in(folder: Path, card: Card) -> Source | None:
    """Return the source in one directory: generic files, then official ones, then RecBole atomic files."""
    return _generic(folder) or _official(card, folder) or _atomic(folder, card.name)


def _in_own_folders(card: Card, data_dir: Path | None) -> Source | None:
    folder = own_folders(data_dir).get(card.name)
    if folder is None:
        return None
    found = find_in(folder, card)
    is_described = (card.files is not None or bool(card.derived_from)) and (folder / OWN_CARD).is_file()
    if found is None and not is_described:
        raise BenchError(f"{folder} contains no source files; expected {' or '.join(_expected_names(card))}.")
    return found


def _generic(folder: Path) -> Source | None:
    interactions, items = _first(folder, GENERIC_INTERACTIONS), _first(folder, GENERIC_ITEMS)
    return None if interactions is None else Source(GENERIC, interactions, items)


def _official(card: Card, folder: Path) -> Source | None:
    if card.files is None:
        return None
    interactions, items = (_official_file(folder, file) for file in (card.files.interactions, card.files.items))
    return None if interactions is None else Source(card.format, interactions, items)


def _atomic(folder: Path, name: str) -> Source | None:
    interactions, items = _first(folder, (f"{name}.inter",)), _first(folder, (f"{name}.item",))
    return None if interactions is None else Source(ATOMIC, interactions, items)


def _shipped(card: Card) -> Source | None:
    package = package_folder(card.shipped_with) if card.shipped_with else None
    if package is None:
        return None
    folder = package / card.shipped_folder
    return _atomic(folder, folder.name)  # atomic files are named after their directory in the package


def _downloaded(card: Card, files: OfficialFiles, folder: Path, progress: ProgressHook) -> Source:
    for file in (files.interactions, files.items):
        if file is not None and not (folder / file.name).exists():
            target, elsewhere = folder / file.name, _by_hand_or_shipped(card)
            download(file.address, target, sha256=file.sha256, by_hand=elsewhere, progress=progress)
    found = _official(card, folder)
    if found is None:
        raise BenchError(f"The download of '{card.name}' contains no usable file: see {folder}.")
    return found


def _by_hand_or_shipped(card: Card) -> str:
    place = by_hand(card.name)
    return f"{place}, or install the package with a copy: {shipping_command(card)}" if card.shipped_with else place


def _first(folder: Path, names: Iterable[str]) -> SourceFile | None:
    return next((SourceFile(folder / name) for name in names if (folder / name).is_file()), None)


def _official_file(folder: Path, file: OfficialFile | None) -> SourceFile | None:
    if file is None:
        return None
    if file.member and (folder / file.name).is_file():
        return SourceFile(folder / file.name, file.member)
    return _first(folder, _local_names(file))


def _local_names(file: OfficialFile) -> tuple[str, ...]:
    if file.member:
        return file.member.rpartition("/")[2], file.member
    return file.name, file.name.removesuffix(".gz")


def _expected_names(card: Card) -> list[str]:
    official = [] if card.files is None else [card.files.interactions.name]
    return [GENERIC_INTERACTIONS[0], *official, f"{card.name}.inter"]
