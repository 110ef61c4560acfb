from __future__ import annotations

import torch

from bench.lm.precision import training_dtype, training_precision


def test_training_type_is_native_or_float32():
    assert training_dtype("cpu") in (torch.bfloat16, torch.float32)
    assert training_dtype("meta") == torch.float32
    native = torch.cpu.get_capabilities().get("avx512_bf16", False) or torch.cpu.get_capabilities().get(
        "amx_tile", False
    )
    assert (training_dtype("cpu") == torch.bfloat16) == native


def test_products_are_taken_in_the_training_type_and_parameters_stay_as_they_are():
    weight = torch.ones(4, 4)
    with training_precision("cpu"):
        product = weight @ weight
    assert product.dtype == training_dtype("cpu")
    assert weight.dtype == torch.float32
