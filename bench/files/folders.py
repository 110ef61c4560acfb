"""Where a run reads and writes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.files.store import ArtifactStore


@dataclass(frozen=True)
class Folders:
    """Where a run reads and writes."""

    cache_dir: Path
    """Prepared data, candidate files, models, adapters."""
    results_dir: Path
    """Runs and tables."""
    data_dir: Path | None = None
    """Source data, one sub-folder a dataset."""
    trained_anew: set[Path] | None = field(default=None, compare=False)
    """What was trained in the run at hand, where nothing trained before may be used; None uses what is there."""

    @property
    def artifacts(self) -> ArtifactStore:
        """Return the store of artifacts in the cache folder."""
        return ArtifactStore(self.cache_dir, self.trained_anew)

    def training_anew(self) -> Folders:
        """Return the same folders for a run that trains everything anew, each model and adapter once."""
        return replace(self, trained_anew=set())
