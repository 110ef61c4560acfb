"""Load datasets by name, and add your own as a DataFrame."""

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
        name: A name from ``bench list datasets``, or the name of your own data's directory in the data directory.
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
    return load_from(name, folders.data_dir, folders.cache_dir, as_progress(progress))


def add_dataset(interactions: pandas.DataFrame, name: str, *, data_dir: AnyPath | None = None) -> Domain:
    """Add a DataFrame to the data directory as a dataset; for CSV files, use ``bench data import``.

    The data is not filtered, unless ``name`` is a dataset listed by ``bench list datasets``; then its rules apply.

    Args:
        interactions: One row per interaction with ``user_id`` and ``item_id``; optionally ``timestamp`` (Unix seconds
            or datetimes) or ``position`` (order within a user), and the item's ``title`` and ``categories``. Without
            ``timestamp`` and ``position``, rows are in order. Other columns are ignored.
        name: Name of the new dataset: lower-case letters, digits, ``.``, ``_`` and ``-``.
        data_dir: Directory with one subdirectory of source data per dataset; default ``BENCH_DATA``.

    Returns:
        The dataset as returned by ``bench.load_domain``.

    Raises:
        BenchError: there is no data directory, the name is taken or invalid, a column is missing or a value invalid.
    """
    folder = usual_folders(data_dir=data_dir).data_dir
    if folder is None:
        raise BenchError("No data directory to add a dataset to; set BENCH_DATA or give data_dir.")
    return import_frame(interactions, name, folder)
