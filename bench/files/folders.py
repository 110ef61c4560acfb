"""Where a run reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.files.store import ArtefactStore


@dataclass(frozen=True)
class Folders:
    """Where a run reads and writes."""

    cache_dir: Path
    """Prepared data, candidate files, models, adapters."""
    results_dir: Path
    """Runs and tables."""
    data_dir: Path | None = None
    """Source data, one sub-folder a dataset."""

    @property
    def artefacts(self) -> ArtefactStore:
        """Return the store of artefacts in the cache folder."""
        return ArtefactStore(self.cache_dir)
