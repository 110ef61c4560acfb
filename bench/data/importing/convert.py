"""Turn the tables that a user has into the interactions and items of the generic format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.data.arrow import integer_column
from bench.data.importing.roles import (
    CATALOGUE_ITEM,
    CATEGORY,
    ITEM,
    LONGEST_LIST,
    NONE,
    POSITION,
    ROLES,
    TIME,
    TITLE,
    USER,
    Found,
    Role,
    check_distinct,
    find,
)
from bench.data.importing.texts import as_text, distinct, first_true, ids, titles
from bench.data.importing.times import Times, read_times
from bench.errors import BenchError, did_you_mean, shown

if TYPE_CHECKING:
    from bench.data.importing.options import ImportOptions
    from bench.data.importing.tables import OpenTable

FACTS = {TITLE: "title", CATEGORY: "categories"}
"""Role of a fact about items -> its column in the generic format."""


@dataclass(frozen=True, eq=False)
class Converted:
    """Interactions and items as Arrow columns of the generic format, and what was recognized."""

    interactions: Mapping[str, Any]
    """``user_id``, ``item_id``, and ``timestamp`` or ``position`` if there are any."""
    items: Mapping[str, Any] | None
    """``item_id`` and ``title`` or ``categories``; None without any."""
    remarks: tuple[str, ...]
    """What was recognized, one line per table or column, for the user to check."""


def converted(interactions: OpenTable, items: OpenTable | None, options: ImportOptions) -> Converted:
    """Read the user's tables.

    Args:
        interactions: One row per interaction.
        items: One row per item, or None; without it, titles and categories may be columns of the interactions.
        options: Names of columns, the unit of times, and whether the order may be that of the rows.

    Raises:
        BenchError: columns are missing or ambiguous, a value is invalid, or interactions have no order.
    """
    _check_options(interactions, items, options)
    event_roles = _found(interactions, (USER, ITEM, TIME, POSITION), options, required=(USER, ITEM))
    fact_table = interactions if items is None else items
    item_role = ITEM if items is None else CATALOGUE_ITEM
    fact_roles = _found(fact_table, (item_role, TITLE, CATEGORY), options, required=(item_role,))
    check_distinct(interactions, event_roles if items is not None else event_roles | fact_roles)
    if items is not None:
        check_distinct(items, fact_roles)
    columns = _read(interactions, event_roles)
    events, remarks = _events(interactions, columns, event_roles, options)
    facts = _facts(fact_table, fact_roles)
    if items is not None and facts is not None:
        _check_overlap(interactions, items, events, facts)
    if items is None:
        told = [_told(interactions, event_roles | fact_roles)]
    else:
        told = [_told(interactions, event_roles), _told(items, fact_roles)]
    return Converted(events, facts, (*told, *remarks))


def _check_options(interactions: OpenTable, items: OpenTable | None, options: ImportOptions) -> None:
    """Raise BenchError for an unknown role, or a named column that is not in the table where it is needed."""
    facts = interactions if items is None else items
    tables = {TITLE.name: [facts], CATEGORY.name: [facts], ITEM.name: list(dict.fromkeys((interactions, facts)))}
    for role, column in options.columns.items():
        if role not in ROLES:
            raise BenchError(f"Unknown role of a column '{shown(role)}'.{did_you_mean(role, ROLES)}")
        places = tables.get(role, [interactions])
        names = [name for table in places for name in table.names]
        if column != NONE and column not in names:
            where = " and ".join(table.head for table in places)
            raise BenchError(
                f"{where}: no column '{shown(column)}' for {interactions.option(role)}; found "
                f"{shown(', '.join(names), LONGEST_LIST)}.{did_you_mean(column, names)}"
            )


def _found(
    table: OpenTable, roles: tuple[Role, ...], options: ImportOptions, required: tuple[Role, ...]
) -> dict[str, Found | None]:
    """Find the columns of some roles; the item's may be named differently in the two tables."""
    given = {role: name for role, name in options.columns.items() if name in table.names or name == NONE}
    return {role.name: find(table, role, given, required=role in required) for role in roles}


def _read(table: OpenTable, found: Mapping[str, Found | None]) -> dict[str, Any]:
    """Return the columns by role."""
    names = {role: one.column for role, one in found.items() if one is not None}
    columns = table.read(list(dict.fromkeys(names.values())))
    if columns and not len(next(iter(columns.values()))):
        raise BenchError(f"{table.head}: no rows; expected one per {'interaction' if 'user' in found else 'item'}.")
    return {role: columns[name] for role, name in names.items()}


def _events(
    table: OpenTable, columns: Mapping[str, Any], found: Mapping[str, Found | None], options: ImportOptions
) -> tuple[dict[str, Any], list[str]]:
    """Return the generic columns of the interactions, and remarks about their order."""
    names = {role: one.column for role, one in found.items() if one is not None}
    events = {role.canonical: ids(table, names[role.name], columns[role.name]) for role in (USER, ITEM)}
    times = read_times(table, names["time"], columns["time"], options.time_unit) if "time" in names else None
    if "position" in names:
        events["position"] = integer_column(_positions(table, names["position"], columns["position"]))
    _require_order(table, times, "position" in names, options)
    if times is None:
        remarks = ["order: positions" if "position" in names else "order: that of the rows"]
        return events, remarks
    events["timestamp"] = integer_column(times.seconds)
    if "position" not in names:
        events = _in_exact_order(events, times)
    return events, _time_remarks(table, names["time"], times)


def _require_order(table: OpenTable, times: Times | None, has_positions: bool, options: ImportOptions) -> None:
    """Raise BenchError if the order of some interactions is unknown and may not be that of the rows."""
    if has_positions or options.unordered:
        return
    unordered = table.setting("unordered")
    if times is None:
        raise BenchError(
            f"{table.head}: no column states the order of interactions (such as {TIME.canonical}, date or "
            f"{POSITION.canonical}); name it with {table.option('time')} or {table.option('position')}, or take the "
            f"rows' order with {unordered}."
        )
    missing = int((~times.is_known).sum())
    if missing:
        raise table.fault(
            int(np.argmin(times.is_known)),
            f"no time, as in {missing:,} of {len(times.seconds):,} rows; with {unordered}, such rows come before the "
            "user's others, in their order",
        )


def _positions(table: OpenTable, name: str, column: Any) -> NDArray[np.int64]:
    import pyarrow
    import pyarrow.compute

    texts = as_text(table, name, column)
    try:
        numbers = texts.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid:
        numbers = None
    if numbers is None or numbers.null_count:
        is_number = pyarrow.compute.match_substring_regex(pyarrow.compute.fill_null(texts, ""), r"^-?\d{1,18}$")
        row = first_true(pyarrow.compute.invert(is_number))
        value = "" if row is None else shown(texts[row].as_py() or "")
        raise table.fault(row or 0, f"{shown(name)} is '{value}', expected a whole number")
    return np.asarray(numbers.to_numpy(zero_copy_only=False) if not hasattr(numbers, "chunks") else numbers.to_numpy())


def _in_exact_order(events: dict[str, Any], times: Times) -> dict[str, Any]:
    """Sort the rows by times of less than a second, which whole seconds do not tell apart."""
    if (np.diff(times.exact) >= 0).all():
        return events
    order = integer_column(np.argsort(times.exact, kind="stable"))
    return {name: column.take(order) for name, column in events.items()}


def _time_remarks(table: OpenTable, name: str, times: Times) -> list[str]:
    remarks = [f"times: {times.described} (column {shown(name)})"]
    known = times.seconds[times.is_known]
    if len(known) and int(known.min()) >= 0 and int(known.max()) < 365 * 86_400:
        remarks.append(
            f"note: all times are in 1970; if {shown(name)} counts steps, give it with {table.option('position')}"
        )
    missing = int((~times.is_known).sum())
    if missing:
        remarks.append(f"note: {missing:,} rows without a time come before their user's others")
    return remarks


def _facts(table: OpenTable, found: Mapping[str, Found | None]) -> dict[str, Any] | None:
    """Return one row per item with its title and categories; None if the table has neither."""
    kept = {role: one for role, one in found.items() if one is not None}
    if set(kept) == {"item"}:
        return None
    columns = _read(table, kept)
    item_codes, item_ids = distinct(ids(table, kept["item"].column, columns["item"]))
    facts = {"item_id": item_ids}
    for role, canonical in FACTS.items():
        if role.name in kept:
            name = kept[role.name].column
            facts[canonical] = _one_each(
                table, name, role, (item_codes, item_ids), titles(table, name, columns[role.name])
            )
    return facts


def _one_each(table: OpenTable, name: str, role: Role, items: tuple[NDArray[np.int64], Any], texts: Any) -> Any:
    """Return the text of each distinct item; raise BenchError if an item has two."""
    item_codes, item_ids = items
    codes, values = distinct(texts)
    order = np.argsort(item_codes, kind="stable")
    is_told = np.asarray([bool(value) for value in values.to_pylist()], dtype=bool)[codes[order]]
    rows = order[is_told]  # those with a text, item by item, in file order
    starts = np.concatenate([[True], np.diff(item_codes[rows]) != 0]) if len(rows) else np.empty(0, dtype=bool)
    firsts = rows[starts]
    same = codes[rows] == np.repeat(codes[firsts], np.diff(np.append(np.flatnonzero(starts), len(rows))))
    if not same.all():
        row = int(rows[np.argmin(same)])
        first = int(firsts[np.searchsorted(item_codes[firsts], item_codes[row])])
        item, one, other = item_ids[int(item_codes[row])].as_py(), values[int(codes[first])], values[int(codes[row])]
        raise table.fault(
            row,
            f"item '{shown(item)}' has a second {role.name} in {shown(name)}, '{shown(other.as_py())}' after "
            f"'{shown(one.as_py())}'; if it does not describe the item, leave it out with {table.option(role.name)} "
            f"{NONE}",
        )
    chosen = np.full(len(item_ids), -1, dtype=np.int64)
    chosen[item_codes[firsts]] = codes[firsts]
    texts_of_items = [value if value is not None else "" for value in _taken(values, chosen)]
    return _texts(texts_of_items)


def _taken(values: Any, codes: NDArray[np.int64]) -> list[str | None]:
    known = values.to_pylist()
    return [known[code] if code >= 0 else None for code in codes.tolist()]


def _texts(values: list[str]) -> Any:
    import pyarrow

    return pyarrow.array(values, pyarrow.large_string())


def _check_overlap(
    interactions: OpenTable, items: OpenTable, events: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Raise BenchError if no item with interactions is in the table of items: the ids are written differently."""
    _, used = distinct(events["item_id"])
    known = set(facts["item_id"].to_pylist())
    if known.isdisjoint(used.to_pylist()):
        raise BenchError(
            f"{items.head}: none of these items has interactions; '{shown(facts['item_id'][0].as_py())}' here, "
            f"'{shown(used[0].as_py())}' in {interactions.head}. Choose the column with {items.option('item')}."
        )


def _told(table: OpenTable, found: Mapping[str, Found | None]) -> str:
    """Return which columns are used, and which other ones could have been."""
    kept = {role: one for role, one in found.items() if one is not None}
    columns = ", ".join(
        f"{role} = {shown(one.column)}" + (f" (not {' or '.join(map(shown, one.others))})" if one.others else "")
        for role, one in kept.items()
    )
    return f"{table.name} ({table.kind}): {columns}"
