"""Define the folders in which a run reads and writes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.files.shipped import shipped_folder

if TYPE_CHECKING:
    from bench.files.store import ArtifactStore

AnyPath = str | os.PathLike[str]
CACHE_VARIABLE, RESULTS_VARIABLE, DATA_VARIABLE = "BENCH_CACHE", "BENCH_RESULTS", "BENCH_DATA"
USER_DATA_VARIABLE = "BENCH_USER_DATA"
"""Environment variables that name the folders."""
USUAL_RESULTS = Path("results")


@dataclass(frozen=True)
class Folders:
    """The folders in which a run reads and writes."""

    cache_dir: Path
    """Prepared data, candidate files, models, adapters."""
    results_dir: Path
    """Runs and tables."""
    data_dir: Path | None = None
    """Source data, with one subdirectory per dataset."""
    trained_anew: set[Path] | None = field(default=None, compare=False)
    """Artifacts trained in the current run, if earlier ones must not be reused; None reuses all."""

    @property
    def artifacts(self) -> ArtifactStore:
        """Return the store of artifacts in the cache folder, which also finds those that come with bench."""
        from bench.files.store import ArtifactStore  # imports numpy, which a command's help does not need

        return ArtifactStore(self.cache_dir, self.trained_anew, shipped=shipped_folder("measured"))

    def absolute(self) -> Folders:
        """Return the same folders with absolute paths, for a process with another working directory."""
        data_dir = None if self.data_dir is None else self.data_dir.absolute()
        return replace(
            self, cache_dir=self.cache_dir.absolute(), results_dir=self.results_dir.absolute(), data_dir=data_dir
        )

    def training_anew(self) -> Folders:
        """Return the same folders for runs that train everything again, each model and adapter once."""
        return self if self.trained_anew is not None else replace(self, trained_anew=set())


def usual_folders(
    cache_dir: AnyPath | None = None, results_dir: AnyPath | None = None, data_dir: AnyPath | None = None
) -> Folders:
    """Return the given folders; for the others, those that the environment names, or else the defaults.

    Without ``BENCH_CACHE``, ``BENCH_RESULTS`` and ``BENCH_DATA``, the defaults are the platform's cache directory,
    ``./results`` and no data directory.
    """
    return Folders(
        cache_dir=_named(cache_dir, CACHE_VARIABLE) or usual_cache(),
        results_dir=_named(results_dir, RESULTS_VARIABLE) or USUAL_RESULTS,
        data_dir=_named(data_dir, DATA_VARIABLE),
    )


def usual_cache() -> Path:
    """Return the platform's cache directory; raise BenchError if the home directory is not known."""
    import platformdirs

    path = platformdirs.user_cache_path("bench")
    if not path.is_absolute():
        raise BenchError(f"No home directory is known for the cache: give --cache-dir or set {CACHE_VARIABLE}.")
    return path


def user_data_dir() -> Path | None:
    """Return the directory of the datasets that this user imported; it need not exist.

    It is searched after the data directory, which several users may share. ``BENCH_USER_DATA`` names another one than
    the platform's. None if no home directory is known.
    """
    import platformdirs

    path = _named(None, USER_DATA_VARIABLE) or platformdirs.user_data_path("bench") / "datasets"
    return path if path.is_absolute() or os.environ.get(USER_DATA_VARIABLE) else None


def require_user_data_dir() -> Path:
    """Return the directory of the user's imported datasets; raise BenchError if no home directory is known."""
    path = user_data_dir()
    if path is None:
        raise BenchError(f"No home directory is known for your data: give --data-dir or set {USER_DATA_VARIABLE}.")
    return path


def _named(path: AnyPath | None, variable: str) -> Path | None:
    found = path or os.environ.get(variable)
    return expanded(found) if found else None


def expanded(path: AnyPath) -> Path:
    """Return a path with ``~`` expanded; raise BenchError if the home directory is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BenchError(f"'{path}' cannot be found: no home directory is known. Write the path in full.") from error
