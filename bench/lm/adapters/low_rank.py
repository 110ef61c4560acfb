"""Handle low-rank matrices as factors: cut a product or a dense update down to a given rank.

An update is kept as (A, B) with A (r × d_in) and B (d_out × r), as in an adapter; the update is B·A.
"""

from __future__ import annotations

import torch
from torch import Tensor

EXACT_SIDE = 1024
"""Smaller side up to which a dense matrix is decomposed exactly; larger ones use subspace iteration."""
OVERSAMPLING = 16
"""Directions that subspace iteration follows in addition to the requested ones."""
POWER_STEPS = 4
"""Number of rounds of subspace iteration."""
WHOLE = 0
"""The rank that means "do not cut"."""


def truncate_product(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors of rank ``rank`` closest to B·A (Eckart and Young 1936) without forming the product.

    With B = Q_b R_b and Aᵀ = Q_a R_a, the singular values of B·A are those of the small core R_b R_aᵀ. A sum of
    updates Σ B_i A_i is passed stacked: the A_i on top of each other, the B_i side by side.

    Args:
        a: Shape (n, d_in).
        b: Shape (d_out, n).
        rank: Rank of the result; :data:`WHOLE` or any rank of at least n returns the factors unchanged.
    """
    if not 0 < rank < a.shape[0]:
        return a, b
    q_b, r_b = torch.linalg.qr(b)
    q_a, r_a = torch.linalg.qr(a.T)
    u, s, vh = torch.linalg.svd(r_b @ r_a.T, full_matrices=False)
    root = s[:rank].sqrt()
    # each factor gets the square root of the singular values, so that neither is much larger than the other
    return (vh[:rank] * root[:, None]) @ q_a.T, q_b @ (u[:, :rank] * root)


def factorize(delta: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return factors of a dense update (d_out, d_in), cut to ``rank`` by singular value decomposition.

    :data:`WHOLE`, or a rank of at least the smaller side, keeps the update bit for bit: one factor is the identity.
    """
    smaller = min(delta.shape)
    if not 0 < rank < smaller:
        unit = torch.eye(smaller, dtype=delta.dtype, device=delta.device)
        return (delta, unit) if delta.shape[0] == smaller else (unit, delta)
    if smaller <= EXACT_SIDE:
        u, s, vh = torch.linalg.svd(delta, full_matrices=False)
        root = s[:rank].sqrt()
        return vh[:rank] * root[:, None], u[:, :rank] * root
    basis = _leading_directions(delta, min(rank + OVERSAMPLING, smaller))
    return truncate_product(basis.T @ delta, basis, rank)


def squared_norm(a: Tensor, b: Tensor) -> float:
    """Return the sum of the squared entries of B·A without forming the product."""
    return float(((b.T @ b) * (a @ a.T)).sum())


def row_norms(a: Tensor, b: Tensor) -> Tensor:
    """Return the Euclidean norm of each row of B·A, shape (d_out,), without forming the product."""
    # rounding may make the square of a small norm slightly negative
    return ((b @ (a @ a.T)) * b).sum(1).clamp(min=0).sqrt()


def _leading_directions(matrix: Tensor, n_directions: int) -> Tensor:
    """Return an orthonormal basis (d_out, n) near the leading left singular vectors (Halko et al. 2011, 4.4)."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(matrix.shape[1], n_directions, generator=generator, dtype=matrix.dtype)
    basis: Tensor = torch.linalg.qr(matrix @ start.to(matrix.device))[0]
    for _ in range(POWER_STEPS):
        # orthonormalized after each product; otherwise all columns would turn towards the first direction
        basis = torch.linalg.qr(matrix @ torch.linalg.qr(matrix.T @ basis)[0])[0]
    return basis
