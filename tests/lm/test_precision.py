from __future__ import annotations

import pytest
import torch

from bench.lm.precision import full_width_float32, full_width_linear, training_dtype, training_precision


def test_training_type_is_native_or_float32() -> None:
    assert training_dtype("cpu") in (torch.bfloat16, torch.float32)
    assert training_dtype("meta") == torch.float32


def test_bfloat16_is_not_emulated_where_torch_is_kept_to_avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_tile": True})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert training_dtype("cpu") == torch.float32
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert training_dtype("cpu") == torch.bfloat16


def test_products_are_taken_in_the_training_type_and_parameters_stay_as_they_are() -> None:
    weight = torch.ones(4, 4)
    with training_precision("cpu"):
        product = weight @ weight
    assert product.dtype == training_dtype("cpu")
    assert weight.dtype == torch.float32


def layers_and_states() -> tuple[torch.nn.Sequential, torch.Tensor]:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(48, 64), torch.nn.GELU(), torch.nn.Linear(64, 32)), torch.randn(3, 5, 48)


def test_full_width_products_are_the_same_in_float32_and_pass_through_hooks() -> None:
    model, states = layers_and_states()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    with torch.no_grad():
        expected = model(states)
        with (
            full_width_float32(model),
            model[0].register_forward_hook(lambda _, given, out: seen.append((*given, out))),
        ):
            torch.testing.assert_close(model(states), expected, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(model(states[:, :1]), expected[:, :1], rtol=1e-5, atol=1e-6)
    assert torch.equal(seen[0][0], states)
    torch.testing.assert_close(seen[0][1], model[0](states), rtol=1e-5, atol=1e-6)


def test_layers_are_their_own_again_after_the_block_even_if_it_fails() -> None:
    model, states = layers_and_states()
    with pytest.raises(ValueError, match="in the block"), full_width_float32(model):
        raise ValueError("in the block")
    assert "forward" not in vars(model[0])
    model(states).sum().backward()
    assert model[0].weight.grad is not None


def test_without_onednn_and_in_other_formats_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = layers_and_states()
    with full_width_float32(model.bfloat16()):
        assert "forward" not in vars(model[0])
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with full_width_float32(model.float()):
        assert "forward" not in vars(model[0])


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_full_width_product_is_the_usual_one_and_has_gradients(with_bias: bool) -> None:
    torch.manual_seed(0)
    states, weight, bias = torch.randn(5, 8), torch.randn(3, 8, requires_grad=True), torch.randn(3)
    expected = states @ weight.T + (bias if with_bias else 0)
    with torch.no_grad():
        found = full_width_linear(states, weight, bias if with_bias else None)
    torch.testing.assert_close(found, expected.detach())
    full_width_linear(states, weight, bias if with_bias else None).sum().backward()
    torch.testing.assert_close(weight.grad, states.sum(0).expand(3, 8))
