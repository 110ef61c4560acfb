from __future__ import annotations

import pytest
import torch

from bench.errors import BenchError
from bench.lm.adapters.adapter import Adapter
from bench.lm.merging.lego import cluster_units, merge_lego
from tests.support.merge_toys import random_adapter


def delta(adapter: Adapter) -> torch.Tensor:
    return adapter.delta("layer")


@pytest.mark.parametrize("reweight", [True, False])
def test_one_adapter_stays_as_it_is(reweight: bool) -> None:
    one = random_adapter(0, rank=3)
    torch.testing.assert_close(delta(merge_lego([one], reweight=reweight)), delta(one), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n", [2, 3])
def test_equal_adapters_merge_to_one_of_them_not_to_their_sum(n: int) -> None:
    one = random_adapter(0, rank=3)
    torch.testing.assert_close(delta(merge_lego([one] * n)), delta(one), rtol=1e-4, atol=1e-4)


def test_with_a_cluster_for_every_unit_and_no_reweighting_it_is_the_sum() -> None:
    adapters = [random_adapter(seed) for seed in range(3)]
    merged = merge_lego(adapters, n_clusters=6, reweight=False)
    torch.testing.assert_close(delta(merged), sum(map(delta, adapters)), rtol=1e-4, atol=1e-4)


def test_the_output_is_scaled_for_the_change_of_rank() -> None:
    adapters = [random_adapter(seed) for seed in range(2)]
    merged = merge_lego(adapters, n_clusters=4)
    torch.testing.assert_close(delta(merged), sum(map(delta, adapters)) * (2 / 4) ** 0.5, rtol=1e-4, atol=1e-4)


def test_near_units_are_averaged_and_rescaled_to_their_mean_norm() -> None:
    units = torch.tensor([[4.0, 0.0], [3.9, 0.5], [0.0, 2.0], [0.0, 4.0]])
    plain = cluster_units(units, 2, reweight=False, seed=0)
    assert sorted(map(tuple, plain.tolist())) == [pytest.approx((0, 3)), pytest.approx((3.95, 0.25))]
    rescaled = cluster_units(units, 2, reweight=True, seed=0)
    assert sorted(rescaled.norm(dim=1).tolist()) == pytest.approx([3.0, (4 + (3.9**2 + 0.5**2) ** 0.5) / 2])


def test_the_merge_has_as_many_ranks_as_clusters_and_follows_the_seed() -> None:
    adapters = [random_adapter(seed, rank=4, d_out=12, d_in=10) for seed in range(3)]
    merged, again = merge_lego(adapters, seed=1), merge_lego(adapters, seed=1)
    assert merged.rank == 4
    assert merge_lego(adapters, n_clusters=2).rank == 2
    assert torch.equal(delta(merged), delta(again))


def test_the_order_of_the_adapters_does_not_matter_where_clusters_are_clear() -> None:
    one = random_adapter(0, rank=3, d_out=12, d_in=10)
    a, b = one.factors["layer"]
    near = Adapter({"layer": (a + 0.01, b - 0.01)}, one.scaling, one.base, one.initialisation)
    torch.testing.assert_close(delta(merge_lego([one, near])), delta(merge_lego([near, one])), rtol=1e-4, atol=1e-4)


def test_more_clusters_than_distinct_units_do_no_harm() -> None:
    one = random_adapter(0)
    merged = merge_lego([one, one], n_clusters=3, reweight=False)
    torch.testing.assert_close(delta(merged), delta(one), rtol=1e-4, atol=1e-4)


def test_a_layer_that_one_adapter_lacks_is_made_of_the_others_units() -> None:
    first, second = random_adapter(0, ("a", "b")), random_adapter(1, ("a",))
    merged = merge_lego([first, second])
    torch.testing.assert_close(merged.delta("b"), first.delta("b"), rtol=1e-4, atol=1e-4)


def test_adapters_of_two_bases_are_refused() -> None:
    with pytest.raises(BenchError, match="base models differ"):
        merge_lego([random_adapter(0), random_adapter(1, base="another")])
