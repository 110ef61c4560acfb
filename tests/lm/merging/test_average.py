from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bench.errors import BenchError
from bench.lm.adapters.adapter import Adapter
from bench.lm.merging.average import MergeSpace, merge


def adapter(seed: int, modules: tuple[str, ...] = ("layer",), rank: int = 2, **facts: object) -> Adapter:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    factors = {module: (random(rank, 3), random(4, rank)) for module in modules}
    return Adapter(factors, **{"scaling": 2.0, "base": "base", "initialisation": "init", **facts})  # type: ignore[arg-type]


def rank_one(row: int) -> Adapter:
    unit = torch.eye(2)
    return Adapter({"layer": (unit[row : row + 1], unit[:, row : row + 1])}, 1.0, "base", "init")


@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_all_weight_on_one_adapter_gives_that_adapter_bit_for_bit(space: str) -> None:
    first, second = adapter(0), adapter(1)
    merged = merge([first, second], torch.tensor([1.0, 0.0]), space)  # type: ignore[arg-type]
    torch.testing.assert_close(merged.delta("layer"), first.delta("layer"), rtol=0, atol=0)


@given(weight=st.floats(0, 1))
@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_equal_adapters_merge_to_themselves_at_any_weight(space: str, weight: float) -> None:
    one = adapter(0)
    merged = merge([one, one], torch.tensor([weight, 1 - weight]), space)  # type: ignore[arg-type]
    torch.testing.assert_close(merged.delta("layer"), one.delta("layer"), rtol=1e-4, atol=1e-5)


@given(weight=st.floats(0, 1))
@pytest.mark.parametrize("space", get_args(MergeSpace))
def test_swapping_adapters_with_their_weights_changes_nothing(space: str, weight: float) -> None:
    first, second, weights = adapter(0), adapter(1), torch.tensor([weight, 1 - weight])
    one_way = merge([first, second], weights, space)  # type: ignore[arg-type]
    other_way = merge([second, first], weights.flip(0), space)  # type: ignore[arg-type]
    torch.testing.assert_close(one_way.delta("layer"), other_way.delta("layer"), rtol=1e-4, atol=1e-5)


def test_the_two_spaces_differ_on_orthogonal_rank_one_adapters() -> None:
    halves = torch.tensor([0.5, 0.5])
    pair = [rank_one(0), rank_one(1)]
    torch.testing.assert_close(merge(pair, halves, "factor").delta("layer"), torch.full((2, 2), 0.25))
    torch.testing.assert_close(merge(pair, halves, "delta").delta("layer"), torch.diag(torch.tensor([0.5, 0.5])))


def test_a_factor_average_is_a_quarter_of_the_product_of_sums() -> None:
    first, second = adapter(0), adapter(1)
    (a1, b1), (a2, b2) = first.factors["layer"], second.factors["layer"]
    merged = merge([first, second], torch.tensor([0.5, 0.5]), "factor")
    torch.testing.assert_close(merged.delta("layer"), 0.25 * 2.0 * (b1 + b2) @ (a1 + a2))


def test_a_delta_merge_is_the_weighted_sum_of_updates() -> None:
    adapters, weights = [adapter(seed) for seed in range(3)], torch.tensor([0.2, 0.3, 0.5])
    expected = sum(weight * one.delta("layer") for weight, one in zip(weights, adapters, strict=True))
    torch.testing.assert_close(merge(adapters, weights, "delta").delta("layer"), expected)


def test_weights_may_differ_from_layer_to_layer() -> None:
    first, second = adapter(0, ("a", "b")), adapter(1, ("a", "b"))
    merged = merge([first, second], torch.tensor([[1.0, 0.0], [0.0, 1.0]]), "delta")
    torch.testing.assert_close(merged.delta("a"), first.delta("a"))
    torch.testing.assert_close(merged.delta("b"), second.delta("b"))


def test_a_layer_that_one_adapter_lacks_counts_as_no_update() -> None:
    first, second = adapter(0, ("a", "b")), adapter(1, ("a",))
    merged = merge([first, second], torch.tensor([0.5, 0.5]), "delta")
    torch.testing.assert_close(merged.delta("b"), 0.5 * first.delta("b"))


def test_gradients_reach_the_weights() -> None:
    weights = torch.tensor([0.5, 0.5], requires_grad=True)
    merge([adapter(0), adapter(1)], weights, "factor").delta("layer").sum().backward()
    assert weights.grad is not None
    assert weights.grad.abs().min() > 0


def test_weights_that_do_not_sum_to_one_are_refused_unless_asked_for() -> None:
    pair, weights = [adapter(0), adapter(1)], torch.tensor([0.5, 0.7])
    with pytest.raises(BenchError, match=r"must sum to 1, not 1.2"):
        merge(pair, weights, "delta")
    assert merge(pair, weights, "delta", any_sum=True).rank == 4
    with pytest.raises(BenchError, match=r"must sum to 1, not 0.9"):
        merge(pair, torch.tensor([[0.5, 0.5], [0.5, 0.4]]), "factor")
    with pytest.raises(BenchError, match="must sum to 1, not nan"):
        merge(pair, torch.tensor([float("nan"), 0.5]), "factor")


@pytest.mark.parametrize("any_sum", [False, True])
def test_there_is_one_weight_an_adapter(any_sum: bool) -> None:
    with pytest.raises(BenchError, match="one merge weight per adapter \\(2\\), got 3"):
        merge([adapter(0), adapter(1)], torch.tensor([0.5, 0.5, 0.0]), "factor", any_sum=any_sum)


@pytest.mark.parametrize(
    ("space", "other", "message"),
    [
        ("delta", {"base": "another"}, r"their base models differ \(base and another\)"),
        ("delta", {"scaling": 1.0}, r"their scalings differ \(2.0 and 1.0\)"),
        ("factor", {"base": "another"}, r"their base models differ \(base and another\)"),
        ("factor", {"rank": 3}, r"their ranks differ \(2 and 3\)"),
        (
            "factor",
            {"modules": ("layer", "more")},
            r"their target modules differ .*only one adapter has more",
        ),
        ("factor", {"initialisation": "another"}, r"their initialisations differ \(init and another\)"),
    ],
)
def test_adapters_that_do_not_fit_are_refused_with_what_differs(
    space: str, other: dict[str, object], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        merge([adapter(0), adapter(1, **other)], torch.tensor([0.5, 0.5]), space)  # type: ignore[arg-type]


def test_merges_equal_peft_s_own(pico_encoder_folder) -> None:
    """PEFT's ``linear`` with squared weights is the factor merge, its ``cat`` the delta merge."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    from bench.lm.training.attachment import quiet_peft

    settings = LoraConfig(r=4, lora_alpha=8, target_modules=["query"])
    with quiet_peft():
        model = get_peft_model(AutoModel.from_pretrained(pico_encoder_folder), settings, adapter_name="first")
        model.add_adapter("second", settings)
    layer = model.base_model.model.encoder.layer[0].attention.self.query
    generator = torch.Generator().manual_seed(0)
    for name in ("first", "second"):
        for factor in (layer.lora_A[name].weight, layer.lora_B[name].weight):
            factor.data = torch.randn(factor.shape, generator=generator)
    ours = [
        Adapter({"query": (layer.lora_A[n].weight.data, layer.lora_B[n].weight.data)}, 2.0, "b", "i")
        for n in ("first", "second")
    ]
    weights = [0.3, 0.7]
    model.add_weighted_adapter(["first", "second"], [w**2 for w in weights], "squares", combination_type="linear")
    model.add_weighted_adapter(["first", "second"], weights, "stacked", combination_type="cat")
    for name, space in (("squares", "factor"), ("stacked", "delta")):
        theirs = layer.get_delta_weight(name)
        mine = merge(ours, torch.tensor(weights), space).delta("query")  # type: ignore[arg-type]
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
