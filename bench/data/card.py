"""Dataset cards: what a dataset is, where its official files are, and which counts the papers report."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from bench.data.names import checked_name
from bench.data.readers.formats import FORMATS, GENERIC
from bench.errors import unknown_name
from bench.files.shipped import shipped_folder
from bench.files.yaml_fields import Document, Fields

LIST_COMMAND = "bench list datasets"
OWN_CARD = "card.yaml"
"""File in the directory of a user's own dataset that describes it; it has the same fields as a card."""
FILE_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class OfficialFile:
    """One official file."""

    address: str
    """Download address."""
    member: str = ""
    """Path inside it, if it is a zip archive."""
    sha256: str = ""
    """Checksum of the download, if known in advance; otherwise that of the first download is recorded."""
    megabytes: int = 0
    """Size of the download as stated by the publisher, rounded; 0 if it is not stated."""

    @property
    def name(self) -> str:
        """Name of the downloaded file."""
        return self.address.rpartition("/")[2]


@dataclass(frozen=True)
class OfficialFiles:
    """The files of a dataset by content."""

    interactions: OfficialFile
    """Reviews or ratings."""
    items: OfficialFile | None = None
    """Titles and categories."""


@dataclass(frozen=True)
class Expected:
    """Published counts of the dataset."""

    by: str
    """Who reports them."""
    users: int
    """Number of users."""
    items: int
    """Number of items."""
    interactions: int
    """Number of events."""


@dataclass(frozen=True)
class Card:
    """Everything known about a dataset without reading it."""

    name: str
    """Name on the command line, and name of the directory with its source data."""
    description: str
    """One sentence."""
    format: str
    """Family of the official files, a key of :data:`bench.data.readers.formats.FORMATS`."""
    licence: str
    """Terms of use in one line."""
    title: str = ""
    """Name in reports, such as ``MovieLens-1M``; empty if it is the name on the command line."""
    homepage: str = ""
    """Official page."""
    files: OfficialFiles | None = None
    """Official files; None if there is nothing to download."""
    titles: str = ""
    """Where item titles come from."""
    k_core: int = 0
    """Minimum number of events of each user and item, filtered iteratively; 0 filters nothing."""
    one_a_day: bool = False
    """Whether one event, drawn by hash, is kept per user and day."""
    order_as_days: bool = False
    """Whether the user-split setting may treat each event as a separate day if the source has no timestamps."""
    user_share: float = 1.0
    """Fraction of the users that is kept, drawn by a hash of the user id."""
    derived_from: str = ""
    """Card of the dataset that this one is a subset of."""
    genres: tuple[str, ...] = ()
    """Genres of a derived dataset: it consists of the items whose first listed genre is one of these."""
    shipped_with: str = ""
    """Python package that contains a copy as RecBole atomic files."""
    shipped_folder: str = ""
    """Directory of that copy inside the package."""
    sources: tuple[str, ...] = ()
    """Default source domains of transfer methods."""
    stands_in_for: str = ""
    """What the dataset replaces if the papers' own data cannot be downloaded."""
    expected: tuple[Expected, ...] = ()
    """Counts reported by papers or by the publisher."""


def cards_folder() -> Path:
    """Return the directory of the cards: inside an installed wheel, else next to the package in the repository."""
    return shipped_folder("cards")


def list_cards() -> list[Card]:
    """Return all cards, ordered by name."""
    return [read_card(path) for path in sorted(cards_folder().glob("*.yaml"))]


def card_names() -> list[str]:
    """Return the names of all cards, without reading them."""
    return sorted(path.stem for path in cards_folder().glob("*.yaml"))


def has_card(name: str) -> bool:
    """Return whether there is a card with this name, in any case."""
    return name.lower() in card_names()


def load_card(name: str) -> Card:
    """Return the card with this name, in any case; raise BenchError with similar names if there is none."""
    name = checked_name(name)
    if name not in card_names():
        raise unknown_name("dataset", name, card_names(), LIST_COMMAND)
    return read_card(cards_folder() / f"{name}.yaml")


def read_card(path: Path) -> Card:
    """Read a card; raise BenchError with file and line for an unexpected key or value."""
    document = Document.read(path)
    fields = Fields.of(document, (), "the card", document.content, *_keys(Card))
    return Card(
        name=_name(fields, path),
        description=fields.text("description", is_long=True),
        format=fields.choice("format", tuple(FORMATS)),
        licence=fields.text("licence"),
        title=fields.text("title", ""),
        homepage=fields.text("homepage", ""),
        files=_official_files(fields) if fields.has("files") else None,
        titles=fields.text("titles", ""),
        k_core=fields.count("k_core") if fields.has("k_core") else 0,
        one_a_day=fields.flag("one_a_day"),
        order_as_days=fields.flag("order_as_days"),
        user_share=fields.share("user_share", 1.0),
        derived_from=fields.text("derived_from", ""),
        genres=fields.names("genres"),
        shipped_with=fields.text("shipped_with", ""),
        shipped_folder=fields.text("shipped_folder", ""),
        sources=fields.names("sources"),
        stands_in_for=fields.text("stands_in_for", ""),
        expected=tuple(_expected(row) for row in fields.rows("expected", "expected count", *_keys(Expected))),
    )


def own_data_card(name: str, folder: Path | None = None) -> Card:
    """Return the card of a user's own data: the one in its folder, or else that of generic files without filtering."""
    if folder is not None and (folder / OWN_CARD).is_file():
        return read_card(folder / OWN_CARD)
    return Card(name=name, description="User's own data.", format=GENERIC, licence="The user's own.")


def _name(fields: Fields, path: Path) -> str:
    if path.name != OWN_CARD:
        return fields.name_of_file()
    name, folder = fields.text("name"), path.absolute().parent.name
    return str(fields.checked("name", name, name == folder, f"the directory's name, '{folder}'"))


def _keys(part: type) -> tuple[list[str], list[str]]:
    """Return the names of all fields of a part of the card, and the names of those without a default."""
    fields = dataclasses.fields(part)
    return [field.name for field in fields], [field.name for field in fields if field.default is dataclasses.MISSING]


def _official_files(card: Fields) -> OfficialFiles:
    roles = card.inner("files", *_keys(OfficialFiles))
    items = _official_file(roles, "items") if roles.has("items") else None
    return OfficialFiles(_official_file(roles, "interactions"), items)


def _official_file(roles: Fields, role: str) -> OfficialFile:
    fields = roles.inner(role, *_keys(OfficialFile))
    megabytes = fields.count("megabytes") if fields.has("megabytes") else 0
    file = OfficialFile(fields.text("address"), fields.text("member", ""), fields.text("sha256", ""), megabytes)
    fields.checked("address", file.address, bool(FILE_NAME.fullmatch(file.name)), "an address that ends in a file name")
    known = not file.sha256 or bool(SHA256.fullmatch(file.sha256))
    fields.checked("sha256", file.sha256, known, "64 hexadecimal digits in lower case")
    return file


def _expected(fields: Fields) -> Expected:
    return Expected(
        by=fields.text("by"),
        users=fields.count("users"),
        items=fields.count("items"),
        interactions=fields.count("interactions"),
    )
