"""``bench data import``: a user's own files become a dataset."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import Command, json_option
from bench.cli.paths import DirectoryPath
from bench.cli.progress.shown import ProgressChoice, progress_options
from bench.files.folders import USER_DATA_VARIABLE

if TYPE_CHECKING:
    from bench.data.importing.files import Imported

FILE = click.Path(path_type=Path)
EXAMPLES = """\b
Examples:
  bench data import shop --interactions orders.csv --items catalogue.csv
  bench data import shop --interactions log.parquet --user-column visitor --item-column sku --k-core 5
  bench data import music --interactions plays.jsonl.gz --unordered --overwrite
  bench data import beauty --interactions interactions.csv.gz --data-dir ~/recommendation-data
"""
COLUMNS = {
    "user": "Column with the user (usual names: user_id, user, userId, uid, reviewerID, …).",
    "item": "Column with the item (usual names: item_id, item, itemId, asin, parent_asin, movieId, …).",
    "time": "Column with the time (usual names: timestamp, time, date, datetime, …).",
    "position": "Column with the order of a user's interactions, instead of a time (usual name: position).",
    "title": "Column with the item's title (usual names: title, name, text, …).",
    "category": "Column with the item's categories (usual names: categories, category, genres, …).",
}
COLUMNS_KEY = f"{__name__}.columns"
"""Where the columns are kept in click's context."""
TIME_UNITS = ("auto", "iso", "seconds", "milliseconds", "microseconds", "nanoseconds")


def column_options(command: Command) -> Command:
    """Add ``--user-column`` and so on, passed together as ``columns: dict[str, str]`` by role."""
    for role, meaning in reversed(COLUMNS.items()):
        command = click.option(
            f"--{role}-column",
            f"{role}_column",
            metavar="NAME",
            expose_value=False,
            callback=_noted(role),
            help=meaning,
        )(command)
    return command


def _noted(role: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    """Return a callback that keeps the column of a role in the context."""

    def note(context: click.Context, _option: click.Parameter, value: str | None) -> None:
        if value is not None:
            context.meta.setdefault(COLUMNS_KEY, {})[role] = value

    return note


@click.command(name="import", epilog=EXAMPLES)
@click.argument("name")
@click.option("--interactions", type=FILE, required=True, help="File with one row per interaction.")
@click.option("--items", type=FILE, help="File with one row per item; without it, titles may be in --interactions.")
@column_options
@click.option(
    "--time-unit",
    type=click.Choice(TIME_UNITS),
    default="auto",
    show_default=True,
    help="Unit of times; auto recognizes it from the values.",
)
@click.option("--unordered", is_flag=True, help="Accept interactions without a time or position, in the rows' order.")
@click.option(
    "--k-core",
    type=click.IntRange(min=0),
    default=0,
    help="Keep users and items with at least this many interactions, filtered iteratively.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier import with the same name.")
@click.option(
    "--data-dir",
    type=DirectoryPath(),
    show_default="your own, not BENCH_DATA",
    help=f"Directory to import into. Your own is {USER_DATA_VARIABLE}, or else the platform's data directory.",
)
@progress_options
@json_option
def import_(
    name: str,
    interactions: Path,
    items: Path | None,
    data_dir: Path | None,
    choice: ProgressChoice,
    as_json: bool,
    **choices: Any,
) -> None:
    """Import your own files as dataset NAME.

    Files can be CSV, TSV, JSON lines (also with .gz), Parquet, or RecBole's .inter and .item. Columns with usual names
    are recognized; name the others with the options below, or give 'none' to leave one out. Times can be ISO dates, or
    Unix seconds or milliseconds; the output states what was recognized.

    The data is written to your own data directory, where all commands find it. Using the name of a dataset with a card
    (see 'bench list datasets') applies that dataset's filtering.
    """
    from bench.data.importing.files import check_not_hidden, import_dataset
    from bench.data.importing.options import ImportOptions
    from bench.files.folders import require_user_data_dir, usual_folders

    options = ImportOptions(columns=click.get_current_context().meta.get(COLUMNS_KEY, {}), **choices)
    folder = data_dir or require_user_data_dir()
    if data_dir is None:
        check_not_hidden(name, usual_folders().data_dir)
    with choice.shown() as progress:
        imported = import_dataset(name, interactions, items, folder, options, progress)
    click.echo(json.dumps(_facts(name, imported), indent=2) if as_json else _text(name, imported, data_dir))


def _facts(name: str, imported: Imported) -> dict[str, Any]:
    domain = imported.domain
    return {
        "name": name,
        "folder": str(imported.folder),
        "users": domain.n_users,
        "items": domain.n_items,
        "interactions": domain.n_interactions,
        "recognized": list(imported.remarks),
        "notes": list(domain.notes),
    }


def _text(name: str, imported: Imported, data_dir: Path | None) -> str:
    domain = imported.domain
    place = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir else ""
    method = "text-knn" if domain.titled else "popularity"
    lines = [
        *imported.remarks,
        *(f"note: {note}" for note in domain.notes),
        f"Imported {name}: {domain.n_users:,} users, {domain.n_items:,} items, {domain.n_interactions:,} interactions "
        f"in {imported.folder}",
        f"Next: bench run --method {method} --dataset {name}{place}",
    ]
    return "\n".join(lines)
