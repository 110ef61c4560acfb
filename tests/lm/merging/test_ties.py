from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.lm.merging.ties import elected_signs, merge_ties, ties, trim
from tests.support.merge_toys import adapter_of, merged_by_peft, random_adapter

TASKS = torch.tensor([[3.0, 1.0, -2.0], [-1.0, 2.0, -2.0], [1.0, -2.0, 5.0]])


def test_without_trimming_the_known_answer_is_2_1_5_5() -> None:
    assert elected_signs(TASKS).tolist() == [1, 1, 1]
    torch.testing.assert_close(ties(TASKS, 1.0), torch.tensor([2.0, 1.5, 5.0]))


def test_at_a_density_of_a_fifth_the_known_answer_is_3_2_5() -> None:
    """One entry of three is kept, and both where two are equally large."""
    assert trim(TASKS[1], 0.2).tolist() == [0, 2, -2]
    torch.testing.assert_close(ties(TASKS, 0.2), torch.tensor([3.0, 2.0, 5.0]))


def test_trimming_keeps_exactly_the_share_asked_for() -> None:
    """The published code keeps one entry too many and fails where nothing is trimmed."""
    values = torch.arange(1.0, 11.0) * torch.tensor([1.0, -1.0]).repeat(5)
    assert trim(values, 0.2).tolist() == [0] * 8 + [9, -10]
    torch.testing.assert_close(trim(values, 1.0), values)


@pytest.mark.parametrize(("others", "sign"), [([2.0, 3.0, -1.0], 1.0), ([-2.0, -3.0, 1.0], -1.0), ([2.0, -2.0], 1.0)])
def test_a_draw_goes_to_the_sign_that_most_entries_have(others: list[float], sign: float) -> None:
    vectors = torch.tensor([[1.0, *others], [-1.0, *others]])
    assert elected_signs(vectors)[0] == sign
    assert ties(vectors, 1.0)[0] == sign


@given(seed=st.integers(0, 1000), density=st.floats(0.05, 1.0), n=st.integers(1, 4))
def test_equal_vectors_merge_to_their_trimmed_self(seed: int, density: float, n: int) -> None:
    vector = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(ties(torch.stack([vector] * n), density), trim(vector, density))


@given(seed=st.integers(0, 1000), density=st.floats(0.05, 1.0))
def test_the_order_of_the_vectors_does_not_matter(seed: int, density: float) -> None:
    vectors = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(ties(vectors, density), ties(vectors.flip(0), density))


@given(seed=st.integers(0, 1000), density=st.floats(0.05, 1.0))
def test_a_merged_entry_lies_between_0_and_the_largest_of_its_sign(seed: int, density: float) -> None:
    vectors = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
    merged = ties(vectors, density)
    assert (merged <= vectors.clamp(min=0).max(0).values + 1e-6).all()
    assert (merged >= vectors.clamp(max=0).min(0).values - 1e-6).all()


def test_adapters_merge_by_their_whole_updates() -> None:
    adapters = [adapter_of([task.tolist()], scaling=2.0) for task in TASKS]
    merged = merge_ties(adapters, density=1.0, rank=0)
    torch.testing.assert_close(merged.delta("layer"), torch.tensor([[2.0, 1.5, 5.0]]))
    assert merged.kept_share == 1.0  # type: ignore[attr-defined]
    torch.testing.assert_close(merge_ties(adapters, density=1.0, scale=0.3, rank=0).delta("layer")[0, 2].item(), 1.5)


def test_the_merged_update_is_cut_to_the_rank_asked_for_and_says_what_is_left() -> None:
    pair = [random_adapter(seed, d_out=8, d_in=9) for seed in range(2)]
    whole, cut = merge_ties(pair, rank=0), merge_ties(pair, rank=3)
    u, s, vh = torch.linalg.svd(whole.delta("layer"), full_matrices=False)
    torch.testing.assert_close(cut.delta("layer"), (u[:, :3] * s[:3]) @ vh[:3], rtol=1e-4, atol=1e-4)
    assert cut.rank == 3
    assert cut.kept_share == pytest.approx((s[:3].square().sum() / s.square().sum()).item(), rel=1e-4)  # type: ignore[attr-defined]


def test_a_layer_that_one_adapter_lacks_is_an_update_of_zeros() -> None:
    first, second = random_adapter(0, ("a", "b")), random_adapter(1, ("a",))
    merged = merge_ties([first, second], density=1.0, rank=0)
    torch.testing.assert_close(merged.delta("b"), first.delta("b"))


@pytest.mark.parametrize("density", [0.25, 0.5])
def test_in_factor_space_it_equals_peft_s_ties(density: float) -> None:
    adapters = [random_adapter(seed, d_out=8, d_in=6) for seed in range(3)]
    theirs = merged_by_peft(adapters, [1.0] * 3, "ties", density=density)
    ours = merge_ties(adapters, density=density, space="factor").delta("layer")
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("space", ["factor", "delta"])
def test_adapters_of_two_bases_are_refused(space) -> None:
    with pytest.raises(BenchError, match="base models differ"):
        merge_ties([random_adapter(0), random_adapter(1, base="another")], space=space)
