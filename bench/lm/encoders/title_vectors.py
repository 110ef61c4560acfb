"""Compute the title vectors of a whole domain with an unadapted encoder, stored by content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.files.revisions import revision_of

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.files.store import ArtifactStore
    from bench.lm.backbones import Backbone
    from bench.plugin import ProgressHook


def title_vectors(
    domain: Domain, backbone: Backbone, artifacts: ArtifactStore, progress: ProgressHook, device: str = "cpu"
) -> NDArray[np.float32]:
    """Return the unit-length, mean-pooled vector of each item's title, (n_items, dimension).

    An item without a title has a zero vector.

    Raises:
        BenchError: the backbone is not an encoder.
    """
    if backbone.kind != "encoder":
        raise BenchError(
            f"Backbone '{backbone.name}' is not an encoder; title vectors need one, such as --backbone minilm."
        )
    titles = content_hash(list(domain.titles))
    key = {"revision": revision_of(__name__), "backbone": backbone.revision, "titles": titles}

    def make(folder: Path) -> None:
        import torch

        from bench.lm.encoders.towers import TowerLanguageModel

        language_model = TowerLanguageModel(backbone, device)
        progress(f"encoding {domain.n_items:,} titles of {domain.name} with {backbone.name}")
        with torch.no_grad():
            vectors = language_model.item_vectors(domain, np.arange(domain.n_items), progress)
        np.save(folder / "vectors.npy", vectors.cpu().numpy())

    vectors: NDArray[np.float32] = np.load(artifacts.get_or_make("title-vectors", key, make) / "vectors.npy")
    return vectors
