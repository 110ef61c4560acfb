"""Discrete codes of title vectors from an optimized product quantizer fitted by faiss, cached by their inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.files.extras import require
from bench.files.hashing import content_hash, derived_seed
from bench.files.revisions import revision_of

if TYPE_CHECKING:
    from bench.files.store import ArtifactStore

CODES_KIND = "item-codes"
BITS = 8
"""Bits of a code if there are enough items: 256 centroids."""


def stored_codes(
    store: ArtifactStore,
    vectors: NDArray[np.float32],
    trained: NDArray[np.bool_],
    blocks: int,
    rounds: int,
    seed: int,
) -> tuple[NDArray[np.int64], int]:
    """Return the items' codes, shape (n_items, blocks), and the number of centroids per block; cached by content."""
    faiss = faiss_library()
    key = {
        "revision": revision_of(__name__),
        "vectors": content_hash(vectors),
        "trained": content_hash(trained),
        "blocks": blocks,
        "rounds": rounds,
        "seed": seed,
        "faiss": faiss.__version__,
    }

    def make(folder: Path) -> None:
        rotation, centroids = fitted_centroids(vectors[trained], blocks, rounds, seed)
        np.savez(folder / "codes.npz", codes=nearest_centroids(vectors, rotation, centroids), centroids=centroids)

    with np.load(store.get_or_make(CODES_KIND, key, make) / "codes.npz") as stored:
        return stored["codes"].astype(np.int64), stored["centroids"].shape[1]


def fitted_centroids(
    vectors: NDArray[np.float32], blocks: int, rounds: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit an optimized product quantizer (Ge et al. 2013) to vectors of shape (n, d).

    Returns:
        The rotation, shape (d, d), and the centroids, shape (blocks, n_centroids, d / blocks): 256 of them or, with
        fewer vectors, the largest power of two that is at most the number of vectors.
    """
    faiss = faiss_library()
    faiss.omp_set_num_threads(torch.get_num_threads())
    dimensions = vectors.shape[1]
    bits = max(1, min(BITS, len(vectors).bit_length() - 1))
    quantizer = faiss.ProductQuantizer(dimensions, blocks, bits)
    quantizer.cp.seed = derived_seed(seed, "centroids") % 2**31
    quantizer.cp.min_points_per_centroid = 1  # avoids a warning on standard error
    rotation = faiss.OPQMatrix(dimensions, blocks)
    rotation.niter = rounds
    rotation.pq = quantizer
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    rotation.train(vectors)
    quantizer.train(rotation.apply(vectors))
    centroids = faiss.vector_to_array(quantizer.centroids).reshape(blocks, 2**bits, dimensions // blocks)
    return faiss.vector_to_array(rotation.A).reshape(dimensions, dimensions), centroids


def nearest_centroids(
    vectors: NDArray[np.float32], rotation: NDArray[np.float32], centroids: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Return the nearest centroid of every block of the rotated vectors, shape (n, blocks)."""
    blocks, _, width = centroids.shape
    parts = (vectors @ rotation.T).reshape(len(vectors), blocks, width)
    half_norms = (centroids**2).sum(-1) / 2
    nearest = [(half_norms[b] - parts[:, b] @ centroids[b].T).argmin(axis=1) for b in range(blocks)]
    return np.stack(nearest, axis=1).astype(np.uint8)


def faiss_library() -> Any:
    """Import faiss; raise BenchError with instructions if it is not installed."""
    require("Method 'vqrec'", "vqrec")
    import faiss

    return faiss
