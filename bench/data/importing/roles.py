"""Find the columns of a table: those that a user names, or those with a usual name, unless several have one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError, shown

if TYPE_CHECKING:
    from bench.data.importing.tables import OpenTable

NONE = "none"
"""Given instead of a column name, it says that there is no such column."""
LONGEST_LIST = 200
NOT_IN_A_NAME = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class Role:
    """What a column means, and the names that it usually has."""

    name: str
    """Short name, as in ``--user-column``."""
    canonical: str
    """Name in the generic format; it is taken even if other usual names occur."""
    usual: tuple[str, ...]
    """Other usual names, in lower case without underscores and other signs."""

    def recognizes(self, column: str) -> bool:
        """Return whether a column has a usual name of this role."""
        plain = NOT_IN_A_NAME.sub("", column.lower())
        return plain == NOT_IN_A_NAME.sub("", self.canonical) or plain in self.usual


USER = Role("user", "user_id", ("user", "uid", "reviewer", "reviewerid", "customer", "customerid", "visitorid"))
ITEM_NAMES = ("item", "iid", "asin", "parentasin", "product", "productid", "movie", "movieid", "book", "bookid")
ITEM = Role("item", "item_id", (*ITEM_NAMES, "article", "articleid", "news", "newsid"))
CATALOGUE_ITEM = Role("item", "item_id", (*ITEM.usual, "id"))
"""The item in a table of items, where a plain ``id`` can only be the item's."""
TIME = Role("time", "timestamp", ("time", "date", "datetime", "unixreviewtime", "eventtime", "createdat"))
POSITION = Role("position", "position", ())
TITLE = Role("title", "title", ("name", "text", "itemname", "itemtitle", "productname", "producttitle", "movietitle"))
CATEGORY = Role("category", "categories", ("category", "genres", "genre", "class"))
ROLES: Mapping[str, Role] = {role.name: role for role in (USER, ITEM, TIME, POSITION, TITLE, CATEGORY)}


@dataclass(frozen=True)
class Found:
    """The column of a role."""

    column: str
    others: tuple[str, ...] = ()
    """Other columns with a usual name of the role, which are not used."""


def find(table: OpenTable, role: Role, given: Mapping[str, str], required: bool = False) -> Found | None:
    """Return the column of a role; None if there is none and none is required.

    Args:
        table: The table.
        role: What the column means.
        given: Role name -> column that the user named; :data:`NONE` for none.
        required: Whether a table without such a column is an error.

    Raises:
        BenchError: several columns have a usual name, or a required one is missing.
    """
    wanted = given.get(role.name)
    if wanted is not None and wanted in table.names:
        return Found(wanted)
    if wanted == NONE:
        if required:
            raise BenchError(
                f"{table.head}: the {role.name} is required, so {table.option(role.name)} cannot be {NONE}."
            )
        return None
    usual = [name for name in table.names if role.recognizes(name)]
    if role.canonical in usual:
        return Found(role.canonical, tuple(name for name in usual if name != role.canonical))
    if len(usual) > 1:
        raise BenchError(
            f"{table.head}: {' and '.join(map(shown, usual))} could each be the {role.name}; choose one with "
            f"{table.option(role.name)}."
        )
    if not usual and required:
        names = ", ".join((role.canonical, *role.usual[:3]))
        raise BenchError(
            f"{table.head}: no column for the {role.name} (such as {names}); {_found(table)}. Name it with "
            f"{table.option(role.name)}."
        )
    return Found(usual[0]) if usual else None


def check_distinct(table: OpenTable, found: Mapping[str, Found | None]) -> None:
    """Raise BenchError if one column has two roles."""
    roles: dict[str, str] = {}
    for role, one in found.items():
        if one is not None and roles.setdefault(one.column, role) != role:
            raise BenchError(
                f"{table.head}: column '{shown(one.column)}' cannot be both the {roles[one.column]} and the {role}."
            )


def _found(table: OpenTable) -> str:
    return f"found {shown(', '.join(table.names), LONGEST_LIST) or 'nothing'}"
