"""Datasets by name, and your own as a DataFrame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.api.requests import on_stderr
from bench.data.import_frame import import_frame
from bench.data.prepare import load_domain as load_from
from bench.errors import BenchError
from bench.files.folders import AnyPath, usual_folders

if TYPE_CHECKING:
    import pandas

    from bench.data.domain import Domain
    from bench.plugin.task import ProgressHook


def load_domain(
    name: str,
    *,
    progress: ProgressHook | None = on_stderr,
    cache_dir: AnyPath | None = None,
    data_dir: AnyPath | None = None,
) -> Domain:
    """Load a dataset, from the prepared cache where its source has not changed.

    Args:
        name: A name from ``bench list datasets``, or the folder of your own data in the data folder.
        progress: Called with a short line before long steps; None is silent.
        cache_dir: Folder for downloads and prepared data; default ``BENCH_CACHE``, else the platform's.
        data_dir: Folder with one subfolder of source data per dataset; default ``BENCH_DATA``, else none.

    Returns:
        Users, items and time-ordered histories of the whole dataset, before any split.

    Raises:
        BenchError: the name is unknown, source files are missing or damaged, or a download failed.
    """
    folders = usual_folders(cache_dir=cache_dir, data_dir=data_dir)
    return load_from(name, folders.data_dir, folders.cache_dir, progress or (lambda _line: None))


def add_dataset(interactions: pandas.DataFrame, name: str, *, data_dir: AnyPath | None = None) -> Domain:
    """Write a DataFrame into the data folder as a dataset of your own; ``bench data import`` does so with CSV files.

    Nothing is filtered, unless ``name`` is a dataset that ``bench list datasets`` shows: then its rules apply.

    Args:
        interactions: One row per interaction with ``user_id`` and ``item_id``; optionally ``timestamp`` (Unix seconds
            or datetimes) or ``position`` (order within a user), and the item's ``title`` and ``categories``. Without
            ``timestamp`` and ``position``, rows are in order. Other columns are ignored.
        name: Name of the new dataset: lower-case letters, digits, ``.``, ``_`` and ``-``.
        data_dir: Folder with one subfolder of source data per dataset; default ``BENCH_DATA``.

    Returns:
        The dataset as ``bench.load_domain`` loads it.

    Raises:
        BenchError: there is no data folder, the name is taken or not possible, a column is missing or a value wrong.
    """
    folder = usual_folders(data_dir=data_dir).data_dir
    if folder is None:
        raise BenchError("No data folder to add a dataset to; set BENCH_DATA or give data_dir.")
    return import_frame(interactions, name, folder)
