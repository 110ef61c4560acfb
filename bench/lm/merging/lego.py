"""LoRA-LEGO: split adapters into their single ranks, cluster these, and build one adapter from the clusters.

Paper: Zhao et al. 2024, arXiv 2409.16167. Rank j of an adapter is the unit v = [a_j; b_j], row j of A and column j
of B concatenated. All units of a layer are clustered by k-means into k clusters, whose centroids are the ranks of the
merged adapter. Averaging units that differ makes them shorter, so a centroid is rescaled to its members' mean norm,
and the output to √(r/k).

A cluster counts once, however many members it has: two equal adapters merge to that adapter, not to twice it. A unit
and its negative, which are the same update, are different points to k-means; this does not matter, because all
adapters start from one A and their signs agree. No code of the authors was found; these two points and the constants
are our interpretation.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.linalg import vector_norm

from bench.lm.adapters.adapter import Adapter, check_mergeable, like
from bench.lm.merging.updates import module_names

RESTARTS = 10
"""Number of k-means initializations, of which the best result is used."""


def merge_lego(
    adapters: Sequence[Adapter], *, n_clusters: int | None = None, reweight: bool = True, seed: int = 0
) -> Adapter:
    """Merge adapters by clustering their ranks.

    Args:
        adapters: At least one, of the same base, scaling and rank r.
        n_clusters: Ranks k of the merged adapter; r if None, and never more than there are units.
        reweight: Whether centroids and output are rescaled; without it, k = N·r gives the plain sum of all updates.
        seed: Seed of k-means.
    """
    check_mergeable(adapters, same_initialisation=False)
    rank = adapters[0].rank
    merged = {}
    for module in module_names(adapters):
        pairs = [adapter.factors[module] for adapter in adapters if module in adapter.factors]
        units = torch.cat([torch.cat([a, b.T], dim=1) for a, b in pairs])
        k = min(n_clusters or rank, len(units))
        # a factor on both halves of a unit scales its update by the square of the factor: √(r/k) needs the fourth root
        centroids = cluster_units(units, k, reweight=reweight, seed=seed) * (rank / k) ** (0.25 if reweight else 0)
        d_in = pairs[0][0].shape[1]
        merged[module] = (centroids[:, :d_in].contiguous(), centroids[:, d_in:].T.contiguous())
    return like(adapters[0], merged, adapters[0].scaling)


def cluster_units(units: Tensor, n_clusters: int, *, reweight: bool, seed: int) -> Tensor:
    """Return the centroids (k, d) of k-means over units (n, d); with ``reweight``, of their members' mean norm."""
    membership = torch.nn.functional.one_hot(_labels(units, n_clusters, seed)).to(units)
    sizes = membership.sum(0)[:, None]
    centroids: Tensor = membership.T @ units / sizes
    if not reweight:
        return centroids
    mean_norms: Tensor = membership.T @ vector_norm(units, dim=1, keepdim=True) / sizes
    lengths: Tensor = vector_norm(centroids, dim=1, keepdim=True)
    return centroids * mean_norms / lengths.clamp(min=torch.finfo(units.dtype).tiny)


def _labels(units: Tensor, n_clusters: int, seed: int) -> Tensor:
    """Return each unit's cluster, shape (n,)."""
    if n_clusters == len(units):
        return torch.arange(n_clusters)
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    # k-means uses only distances, so coordinates in the span of the few units are enough
    spanned = torch.linalg.qr(units.T.double())[1].T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct units than clusters are fine
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed % 2**32).fit_predict(spanned.cpu().numpy())
    # k-means may leave clusters empty: number the non-empty ones without gaps
    labels: Tensor = torch.unique(torch.from_numpy(found), return_inverse=True)[1]
    return labels
