"""Dataset cards: what a dataset is, where it officially lives and what the papers count in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.data.readers import FORMATS
from bench.errors import BenchError, near_names, unknown_name
from bench.files.shipped import shipped_folder

LIST_COMMAND = "bench list datasets"
Part = TypeVar("Part")


@dataclass(frozen=True)
class OfficialFile:
    """One official file."""

    address: str
    """Where it is downloaded from."""
    member: str = ""
    """Path inside it, where it is a zip archive."""
    sha256: str = ""
    """Checksum of the download, where it is known in advance; else the first download's is kept."""

    @property
    def name(self) -> str:
        """Name of the downloaded file."""
        return self.address.rpartition("/")[2]


@dataclass(frozen=True)
class OfficialFiles:
    """The files of a dataset by what they hold."""

    interactions: OfficialFile
    """Reviews or ratings."""
    items: OfficialFile | None = None
    """Titles and categories."""


@dataclass(frozen=True)
class Expected:
    """Counts that somebody else states for the dataset."""

    by: str
    """Who states them."""
    users: int
    """Number of users."""
    items: int
    """Number of items."""
    interactions: int
    """Number of events."""


@dataclass(frozen=True)
class Card:
    """All that is known of a dataset without reading it."""

    name: str
    """Name on the command line and of the folder with its source data."""
    description: str
    """One sentence."""
    format: str
    """Family of the official files, a key of :data:`bench.data.readers.FORMATS`."""
    licence: str
    """Terms of use in one line."""
    homepage: str = ""
    """Official page."""
    files: OfficialFiles | None = None
    """Official files; None where there is nothing to download."""
    titles: str = ""
    """Where item titles come from."""
    k_core: int = 0
    """Least number of events of each user and item, filtered iteratively; 0 filters nothing."""
    one_a_day: bool = False
    """Whether one event, drawn by hash, is kept for each user and day."""
    order_as_days: bool = False
    """Whether, where the source has no timestamps, the user-split setting may take each event for a day of its own."""
    user_share: float = 1.0
    """Share of the users that is kept, drawn by hash of the user id."""
    derived_from: str = ""
    """Card from whose data this one is cut."""
    genres: tuple[str, ...] = ()
    """Items whose first listed genre is one of these make up a cut dataset."""
    shipped_with: str = ""
    """Installed Python package that carries a copy in RecBole's atomic files."""
    shipped_folder: str = ""
    """Folder of that copy inside the package."""
    sources: tuple[str, ...] = ()
    """Source domains that transfer methods learn from unless told otherwise."""
    stands_in_for: str = ""
    """What the dataset replaces where the papers' own data are out of reach."""
    expected: tuple[Expected, ...] = ()
    """Counts stated by papers or by the publisher."""


def cards_folder() -> Path:
    """Return the folder of the cards: inside an installed wheel, else beside the package in the repository."""
    return shipped_folder("cards")


def list_cards() -> list[Card]:
    """Return all cards, by name."""
    return [read_card(path) for path in sorted(cards_folder().glob("*.yaml"))]


def has_card(name: str) -> bool:
    """Whether there is a card of this name."""
    return name in _names()


def load_card(name: str) -> Card:
    """Return the card of this name; raise BenchError with near names where there is none."""
    if name not in _names():
        raise unknown_name("dataset", name, _names(), LIST_COMMAND)
    return read_card(cards_folder() / f"{name}.yaml")


def read_card(path: Path) -> Card:
    """Read a card strictly: an unknown, missing or mistyped field is a BenchError that names it."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    fields = _mapping(content, path, "card")
    fields["files"] = _official_files(fields.get("files"), path)
    fields["expected"] = tuple(_built(Expected, row, path, "expected") for row in _rows(fields, "expected", path))
    fields["genres"] = tuple(_rows(fields, "genres", path))
    fields["sources"] = tuple(_rows(fields, "sources", path))
    card = _built(Card, fields, path, "card")
    _check_format(card, path)
    if card.name != path.stem:
        raise BenchError(f"{path}: the card is called '{card.name}', expected '{path.stem}' as its file.")
    return card


def own_data_card(name: str) -> Card:
    """Return the card of a user's own data: generic files, nothing filtered."""
    return Card(name=name, description="User's own data.", format="csv", licence="The user's own.")


def _names() -> list[str]:
    return sorted(path.stem for path in cards_folder().glob("*.yaml"))


def _official_files(value: Any, path: Path) -> OfficialFiles | None:
    if value is None:
        return None
    roles = _mapping(value, path, "files")
    parts = {role: _built(OfficialFile, part, path, role) for role, part in roles.items()}
    return _built(OfficialFiles, parts, path, "files")


def _rows(fields: dict[str, Any], name: str, path: Path) -> list[Any]:
    rows = fields.get(name, [])
    if not isinstance(rows, list):
        raise BenchError(f"{path}: field '{name}' in card is {rows!r}, expected a list.")
    return rows


def _check_format(card: Card, path: Path) -> None:
    if card.format not in FORMATS:
        near = near_names(card.format, FORMATS)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(FORMATS)}."
        raise BenchError(f"{path}: unknown format '{card.format}'. {hint}")


def _built(kind: type[Part], value: Any, path: Path, where: str) -> Part:
    fields = _mapping(value, path, where)
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, given in fields.items():
        if name not in known:
            near = near_names(str(name), known)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" Known: {', '.join(known)}."
            raise BenchError(f"{path}: unknown field '{name}' in {where}.{hint}")
        if not _fits(given, str(known[name].type)):
            raise BenchError(f"{path}: field '{name}' in {where} is {given!r}, expected {known[name].type}.")
    missing = [name for name, field in known.items() if name not in fields and field.default is dataclasses.MISSING]
    if missing:
        raise BenchError(f"{path}: field '{missing[0]}' is missing in {where}.")
    return kind(**fields)


def _fits(value: Any, type_name: str) -> bool:
    scalars: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
    if type_name not in scalars:
        return True
    return isinstance(value, scalars[type_name]) and (type_name == "bool" or not isinstance(value, bool))


def _mapping(value: Any, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BenchError(f"{path}: {where} is {type(value).__name__}, expected fields with values.")
    return dict(value)
