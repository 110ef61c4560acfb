from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from bench.errors import BenchError
from bench.lm.merging.ext_sub import merge_ext_sub
from tests.support.merge_toys import adapter_of, random_adapter


def projected(w: Tensor, u: Tensor) -> Tensor:
    """The shared part of u's rows as the paper has it: through the common direction."""
    common = normalize(normalize(w, dim=1) + normalize(u, dim=1), dim=1)
    return (u * common).sum(1, keepdim=True) * common


def merged_row(w: list[float], u: list[float], **settings: object) -> list[float]:
    row: list[float] = merge_ext_sub(adapter_of([w]), [adapter_of([u])], **settings).delta("layer")[0].tolist()  # type: ignore[arg-type]
    return row


@pytest.mark.parametrize(
    ("source", "average", "subtracted"),
    [([0.0, 4.0], [2.5, 1.0], [5.0, -2.0]), ([6.0, 0.0], [4.5, 0.0], [3.0, 0.0])],
)
def test_the_known_answers(source: list[float], average: list[float], subtracted: list[float]) -> None:
    target = [3.0, 0.0]
    assert merged_row(target, source) == pytest.approx(average, abs=1e-6)
    assert merged_row(target, source, variant="subtract") == pytest.approx(subtracted, abs=1e-6)


@given(seed=st.integers(0, 10_000), n_sources=st.integers(1, 3))
def test_it_equals_the_projection_onto_the_common_direction(seed: int, n_sources: int) -> None:
    target, *sources = (random_adapter(seed + i) for i in range(n_sources + 1))
    w = target.delta("layer")
    shared = [projected(w, source.delta("layer")) for source in sources]
    averaged = merge_ext_sub(target, sources).delta("layer")
    torch.testing.assert_close(averaged, (w + sum(shared)) / (n_sources + 1), rtol=1e-3, atol=1e-3)
    removed = sum(source.delta("layer") - part for source, part in zip(sources, shared, strict=True)) / n_sources
    subtracted = merge_ext_sub(target, sources, variant="subtract", strength=0.7).delta("layer")
    torch.testing.assert_close(subtracted, w - 0.7 * removed, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("variant", ["average", "subtract"])
def test_equal_adapters_and_no_sources_change_nothing(variant) -> None:
    one = random_adapter(0)
    for sources in ([], [one], [one, one]):
        merged = merge_ext_sub(one, sources, variant=variant).delta("layer")
        torch.testing.assert_close(merged, one.delta("layer"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("target", "source", "average", "subtracted"),
    [
        ([0.0, 0.0], [0.0, 4.0], [0.0, 0.0], [0.0, -4.0]),
        ([3.0, 0.0], [0.0, 0.0], [1.5, 0.0], [3.0, 0.0]),
        ([3.0, 0.0], [-2.0, 0.0], [1.5, 0.0], [5.0, 0.0]),
        ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_rows_of_zeros_and_opposite_rows_share_nothing(target, source, average, subtracted) -> None:
    assert merged_row(target, source) == pytest.approx(average)
    assert merged_row(target, source, variant="subtract") == pytest.approx(subtracted)


def test_layers_of_different_heights_merge_too() -> None:
    """Grouped-query attention has narrower keys and values than queries, on which the published code fails."""

    def grouped(seed: int):
        wide, narrow = random_adapter(seed, ("query",), d_out=8), random_adapter(seed + 10, ("key",), d_out=2)
        return type(wide)({**wide.factors, **narrow.factors}, 2.0, "base", "init")

    merged = merge_ext_sub(grouped(0), [grouped(1)])
    assert {name: tuple(merged.delta(name).shape) for name in merged.factors} == {"query": (8, 3), "key": (2, 3)}


def test_a_layer_that_an_adapter_lacks_shares_nothing() -> None:
    both, one = random_adapter(0, ("a", "b")), random_adapter(1, ("a",))
    torch.testing.assert_close(merge_ext_sub(both, [one]).delta("b"), both.delta("b") / 2)
    assert not merge_ext_sub(one, [both]).delta("b").any()


def test_adapters_of_two_bases_are_refused() -> None:
    with pytest.raises(BenchError, match="base models differ"):
        merge_ext_sub(random_adapter(0), [random_adapter(1, base="another")])
