from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.lm.adapters import low_rank
from bench.lm.adapters.low_rank import WHOLE, factorize, row_norms, squared_norm, truncate_product
from bench.lm.merging.average import merge
from tests.support.merge_toys import merged_by_peft, random_adapter


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def best_of_rank(matrix: torch.Tensor, rank: int) -> torch.Tensor:
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vh[:rank]


@given(d_out=st.integers(2, 9), d_in=st.integers(2, 9), n=st.integers(2, 12), rank=st.integers(1, 12))
def test_a_product_is_cut_as_its_singular_value_decomposition_would(d_out: int, d_in: int, n: int, rank: int) -> None:
    a, b = random(0, n, d_in), random(1, d_out, n)
    cut_a, cut_b = truncate_product(a, b, rank)
    assert cut_a.shape[0] == cut_b.shape[1] <= n
    torch.testing.assert_close(cut_b @ cut_a, best_of_rank(b @ a, rank) if rank < n else b @ a, rtol=1e-3, atol=1e-4)


def test_a_sum_of_low_rank_products_is_cut_without_being_formed() -> None:
    """Sizes at which the dense matrix would need 160 GB."""
    pairs = [(random(i, 2, 200_000), random(10 + i, 200_000, 2)) for i in range(3)]
    a, b = truncate_product(torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs], dim=1), 6 - 1)
    assert (a.shape, b.shape) == ((5, 200_000), (200_000, 5))


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5)])
def test_a_dense_update_kept_whole_comes_back_bit_for_bit(shape: tuple[int, int]) -> None:
    delta = random(0, *shape)
    for rank in (WHOLE, min(shape), 100):
        a, b = factorize(delta, rank)
        assert torch.equal(b @ a, delta)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)])
def test_a_dense_update_is_cut_to_the_nearest_of_its_rank_either_way(shape, monkeypatch) -> None:
    delta = random(0, shape[0], 6) @ random(1, 6, shape[1]) + 0.01 * random(2, *shape)
    expected = best_of_rank(delta, 6)
    for exact_side in (1024, 8):
        monkeypatch.setattr(low_rank, "EXACT_SIDE", exact_side)
        a, b = factorize(delta, 6)
        torch.testing.assert_close(b @ a, expected, rtol=1e-3, atol=1e-4)


def test_norms_are_those_of_the_product() -> None:
    a, b = random(0, 3, 5), random(1, 4, 3)
    torch.testing.assert_close(row_norms(a, b), (b @ a).norm(dim=1))
    assert squared_norm(a, b) == pytest.approx((b @ a).square().sum().item(), rel=1e-5)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.3, 0.7)])
def test_the_cut_sum_equals_peft_s_svd_merge(weights: tuple[float, float]) -> None:
    pair = [random_adapter(seed, d_out=9, d_in=8) for seed in range(2)]
    stacked = merge(pair, torch.tensor(weights), "delta")
    a, b = truncate_product(*stacked.factors["layer"], 2)
    theirs = merged_by_peft(pair, weights, "svd", svd_rank=2)
    torch.testing.assert_close(stacked.scaling * b @ a, theirs, rtol=1e-4, atol=1e-4)


def test_this_peft_does_not_apply_the_scaling_twice() -> None:
    """Version 0.12.0 returned twice the update where alpha is twice the rank."""
    pair = [random_adapter(seed) for seed in range(2)]
    torch.testing.assert_close(merged_by_peft(pair, (1.0, 0.0), "svd"), pair[0].delta("layer"), rtol=1e-4, atol=1e-4)
