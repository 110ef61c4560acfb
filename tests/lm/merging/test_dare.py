from __future__ import annotations

from typing import get_args

import pytest
import torch

from bench.errors import BenchError
from bench.lm.merging.average import MergeSpace, merge
from bench.lm.merging.dare import drop_entries, mask_generator, merge_dare
from tests.support.merge_toys import random_adapter

HALVES = torch.tensor([0.5, 0.5])
N_MASKS = 2000


def pair(**sizes: int):
    return [random_adapter(seed, **sizes) for seed in range(2)]


@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_dropping_nothing_is_the_plain_average(space) -> None:
    adapters = pair()
    dropped = merge_dare(adapters, HALVES, drop=0.0, space=space, rank=0)
    torch.testing.assert_close(dropped.delta("layer"), merge(adapters, HALVES, space).delta("layer"))


@pytest.mark.parametrize("drop", [0.2, 0.5, 0.9])
def test_the_share_of_entries_kept_is_what_is_not_dropped_and_they_grow_by_as_much(drop: float) -> None:
    dropped = drop_entries(torch.ones(500, 500), drop, mask_generator(0))
    kept = dropped != 0
    assert kept.float().mean().item() == pytest.approx(1 - drop, abs=0.005)
    torch.testing.assert_close(dropped[kept], torch.full((int(kept.sum()),), 1 / (1 - drop)))


@pytest.mark.parametrize("drop", [0.2, 0.9])
def test_the_mean_over_many_masks_is_the_update(drop: float) -> None:
    update = random_adapter(0).delta("layer")
    drawn = torch.stack([drop_entries(update, drop, mask_generator(seed)) for seed in range(N_MASKS)])
    error = drawn.std(0) / N_MASKS**0.5
    assert ((drawn.mean(0) - update).abs() <= 4 * error).all()
    assert ((drawn.mean(0) - update).abs() <= 3 * error).float().mean() >= 0.9


def test_masks_on_both_factors_keep_the_mean_too_but_vary_more() -> None:
    one, weight = random_adapter(0), torch.ones(1)
    update = one.delta("layer")

    def drawn(space) -> torch.Tensor:
        merged = [merge_dare([one], weight, drop=0.5, space=space, rank=0, seed=seed) for seed in range(N_MASKS)]
        return torch.stack([adapter.delta("layer") for adapter in merged])

    by_factor, by_update = drawn("factor"), drawn("delta")
    assert ((by_factor.mean(0) - update).abs() <= 4 * by_factor.std(0) / N_MASKS**0.5).all()
    assert by_factor.var(0).sum() > by_update.var(0).sum()


@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_masks_follow_the_seed_and_differ_between_layers_and_adapters(space) -> None:
    twins = [random_adapter(0, ("a",)), random_adapter(0, ("a",))]
    twins = [type(one)({"a": one.factors["a"], "b": one.factors["a"]}, 2.0, "base", "init") for one in twins]

    def merged(seed: int, weights: list[float]):
        return merge_dare(twins, torch.tensor(weights), drop=0.5, space=space, rank=0, seed=seed)

    first = merged(0, [1.0, 0.0])
    assert torch.equal(first.delta("a"), merged(0, [1.0, 0.0]).delta("a"))
    assert not torch.equal(first.delta("a"), merged(1, [1.0, 0.0]).delta("a"))
    assert not torch.equal(first.delta("a"), first.delta("b"))
    assert not torch.equal(first.delta("a"), merged(0, [0.0, 1.0]).delta("a"))


def test_the_average_is_cut_to_the_rank_asked_for() -> None:
    merged = merge_dare(pair(d_out=9, d_in=8), HALVES, drop=0.5, rank=3)
    assert merged.rank == 3
    assert 0 < merged.kept_share < 1  # type: ignore[attr-defined]


def test_at_the_sum_of_ranks_nothing_is_lost_where_nothing_is_dropped() -> None:
    adapters = pair(d_out=9, d_in=8)
    merged = merge_dare(adapters, HALVES, drop=0.0, rank=4)
    torch.testing.assert_close(
        merged.delta("layer"), merge(adapters, HALVES, "delta").delta("layer"), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_adapters_of_two_bases_are_refused(space) -> None:
    with pytest.raises(BenchError, match="base models differ"):
        merge_dare([random_adapter(0), random_adapter(1, base="another")], HALVES, space=space)


@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_weights_that_do_not_sum_to_one_are_refused(space) -> None:
    with pytest.raises(BenchError, match=r"must sum to 1, not 1.5"):
        merge_dare(pair(), torch.tensor([0.5, 1.0]), drop=0.0, space=space)
