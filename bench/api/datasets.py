"""Load datasets by name, and add your own as a DataFrame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.api.requests import on_stderr
from bench.data.importing.files import check_not_hidden
from bench.data.importing.frames import import_frame
from bench.data.importing.options import ImportOptions
from bench.data.missing import naming_missing_files
from bench.data.prepare import load_domain as load_from
from bench.files.folders import AnyPath, expanded, require_user_data_dir, usual_folders

if TYPE_CHECKING:
    import pandas

    from bench.data.domain import Domain
    from bench.data.importing.options import TimeUnit
    from bench.progress import ProgressHook


def load_domain(
    name: str,
    *,
    progress: ProgressHook | None = on_stderr,
    cache_dir: AnyPath | None = None,
    data_dir: AnyPath | None = None,
) -> Domain:
    """Load a dataset, from the cache if its source has not changed.

    Args:
        name: A name from ``bench list datasets``, which also lists your own data.
        progress: Called with a short line before long steps; None is silent.
        cache_dir: Directory for downloads and prepared data; default ``BENCH_CACHE``, else the platform's.
        data_dir: Directory with one subdirectory of source data per dataset; default ``BENCH_DATA``, else none.

    Returns:
        Users, items and time-ordered histories of the whole dataset, before any split.

    Raises:
        BenchError: the name is unknown, source files are missing or damaged, or a download failed.
    """
    from bench.runs.progress.lines import as_progress

    folders = usual_folders(cache_dir=cache_dir, data_dir=data_dir)
    with naming_missing_files((name,), folders.data_dir, folders.cache_dir):
        return load_from(name, folders.data_dir, folders.cache_dir, as_progress(progress))


def add_dataset(  # noqa: PLR0913  # the options of an import, by name
    interactions: pandas.DataFrame,
    name: str,
    *,
    items: pandas.DataFrame | None = None,
    user_column: str | None = None,
    item_column: str | None = None,
    time_column: str | None = None,
    position_column: str | None = None,
    title_column: str | None = None,
    category_column: str | None = None,
    time_unit: TimeUnit = "auto",
    k_core: int = 0,
    unordered: bool = False,
    overwrite: bool = False,
    progress: ProgressHook | None = on_stderr,
    data_dir: AnyPath | None = None,
) -> Domain:
    """Add DataFrames as a dataset of your own; for files, use ``bench data import``.

    Columns with usual names (``user_id``, ``user``, ``userId``, ``asin``, ``date``, ``name``, ...) are recognized, and
    others are ignored. If ``name`` is a dataset listed by ``bench list datasets``, its filtering applies.

    Args:
        interactions: One row per interaction: user, item, and a time or a position.
        name: Name of the new dataset: lower-case letters, digits, ``.``, ``_`` and ``-``.
        items: One row per item: item, title and categories; without it, these may be columns of ``interactions``.
        user_column: Column with the user.
        item_column: Column with the item.
        time_column: Column with the time: datetimes, ISO dates, or Unix seconds or milliseconds; ``"none"`` ignores
            one with a usual name, as for the other columns that are not required.
        position_column: Column with the order of a user's interactions, instead of a time.
        title_column: Column with the item's title.
        category_column: Column with the item's categories.
        time_unit: Unit of times; ``"auto"`` recognizes it from the values.
        k_core: Minimum number of interactions of each user and item, filtered iteratively; 0 filters nothing.
        unordered: Accept interactions without a time or position, in the order of the rows.
        overwrite: Replace a dataset that was added before.
        progress: Called with the directory, and with the columns and times that were recognized; None is silent.
        data_dir: Directory to write to; default ``BENCH_USER_DATA``, else the platform's data directory. Datasets there
            are found by all functions and commands.

    Returns:
        The dataset as returned by ``bench.load_domain``.

    Raises:
        BenchError: the name is taken or invalid, a column is missing or ambiguous, a value is invalid, or interactions
            have no order. Nothing is written then.
    """
    given = {
        "user": user_column,
        "item": item_column,
        "time": time_column,
        "position": position_column,
        "title": title_column,
        "category": category_column,
    }
    columns = {role: column for role, column in given.items() if column is not None}
    options = ImportOptions(columns, time_unit, k_core, unordered, overwrite)
    folder = require_user_data_dir() if data_dir is None else expanded(data_dir)
    if data_dir is None:
        check_not_hidden(name, usual_folders().data_dir)
    told = progress or (lambda _line: None)
    told(f"Importing {name} into {folder / name}")
    imported = import_frame(interactions, name, folder, items, options)
    for remark in imported.remarks:
        told(remark)
    return imported.domain
