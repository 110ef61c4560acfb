"""The memory model against the bytes that torch saves for the backward pass, and the papers' model on one device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from bench.errors import BenchError
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.memory import (
    BFLOAT16,
    FLOAT32,
    GIGABYTE,
    NO_LIMIT,
    DecoderShape,
    PassLimit,
    TrainingPass,
    merging_memory,
    pass_limit,
    scoring_memory,
    training_memory,
)
from bench.lm.memory_report import limited, memory_rows, shape_of
from bench.lm.training.attachment import attached

N_ROWS, N_TOKENS, N_ANSWERED, RANK = 2, 96, 10, 8
SIZES = {"hidden_size": 128, "num_attention_heads": 4, "num_hidden_layers": 6, "vocab_size": 500}
QWEN2_7B = DecoderShape(3584, 28, 3584, 512, 18944, 152064, attention_bias=True)
MODELS = {
    "qwen2": lambda: Qwen2ForCausalLM(
        Qwen2Config(intermediate_size=500, num_key_value_heads=2, tie_word_embeddings=False, **SIZES)
    ),
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(intermediate_size=352, num_key_value_heads=4, tie_word_embeddings=True, **SIZES)
    ),
}


def counted_step(model: Any, dropout: float, *, in_bfloat16: bool) -> dict[str, int]:
    """Return the bytes that a step saves for the backward pass, and those of weights, adapter and optimizer."""
    saved: dict[int, int] = {}
    kept: list[torch.Tensor] = []
    frozen = {weights.untyped_storage().data_ptr() for weights in model.parameters()}
    model.requires_grad_(False).eval()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in frozen:
            saved[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)  # kept, so that no other tensor gets its address
        return tensor

    ids = torch.randint(SIZES["vocab_size"], (N_ROWS, N_TOKENS), generator=torch.Generator().manual_seed(0))
    with attached(model, LoraRecipe(rank=RANK, dropout=dropout), 0) as factors:
        parameters = [factor for pair in factors.values() for factor in pair]
        frozen |= {factor.untyped_storage().data_ptr() for factor in parameters}
        with (
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=in_bfloat16),
            torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        ):
            hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[:, -N_ANSWERED:]
            loss = model.get_output_embeddings()(hidden).float().log_softmax(-1).mean()
        loss.backward()
        optimizer = torch.optim.AdamW(parameters)
        optimizer.step()
        states = [value for state in optimizer.state.values() for value in state.values() if value.dim()]
        return {
            "saved": sum(saved.values()),
            "adapter": sum(factor.nbytes for factor in parameters),
            "optimizer": sum(state.nbytes for state in states),
        }


@pytest.mark.parametrize("in_bfloat16", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.05])
@pytest.mark.parametrize("name", list(MODELS))
def test_the_model_is_within_fifteen_percent_of_what_torch_saves(name: str, dropout: float, in_bfloat16: bool) -> None:
    model = MODELS[name]()
    element = BFLOAT16 if in_bfloat16 else FLOAT32
    model.to(torch.bfloat16 if in_bfloat16 else torch.float32)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    shape = DecoderShape.of_config(model.config.to_dict())
    found = counted_step(model, dropout, in_bfloat16=in_bfloat16)
    one_pass = TrainingPass(N_ROWS * N_TOKENS, N_ROWS * N_ANSWERED)
    expected = training_memory(shape, one_pass, RANK, dropout=bool(dropout), element=element)
    in_autocast = (BFLOAT16 if in_bfloat16 else 0) * shape.n_adapter_parameters(RANK)
    of_log_softmax = FLOAT32 * one_pass.answer_tokens * shape.vocabulary
    assert expected.weights == weights
    assert found["adapter"] == FLOAT32 * shape.n_adapter_parameters(RANK)
    assert expected.optimizer == found["optimizer"]
    assert expected.activations + in_autocast + of_log_softmax == pytest.approx(found["saved"], rel=0.15)
    # gradient and best state have the factors' size; the rest of the logits is there only while they are computed
    counted = weights + found["saved"] + found["optimizer"] + 3 * found["adapter"]
    assert expected.total == pytest.approx(counted, rel=0.15)


def test_the_papers_model_has_the_known_numbers_of_parameters() -> None:
    assert QWEN2_7B.n_parameters == 7_615_616_512
    assert QWEN2_7B.n_adapter_parameters(16) == 40_370_176


def test_a_batch_of_128_does_not_fit_one_device_at_once_and_does_in_passes() -> None:
    device, tokens = 80 * GIGABYTE, 128 * 700
    limit = pass_limit(QWEN2_7B, device)
    assert training_memory(QWEN2_7B, TrainingPass(tokens, 128 * 14)).total > 700 * GIGABYTE
    in_passes = training_memory(QWEN2_7B, TrainingPass(limit.tokens, limit.tokens // 8))
    assert limit.tokens >= 4096
    assert 0.6 * device < in_passes.total < device


@pytest.mark.parametrize(("gigabytes", "recomputed"), [(24, True), (40, True), (80, False), (141, False)])
def test_layers_are_recomputed_only_where_little_would_fit_otherwise(gigabytes: int, recomputed: bool) -> None:
    limit = pass_limit(QWEN2_7B, gigabytes * GIGABYTE)
    assert (limit.recomputed_above == 0) == recomputed
    one_pass = TrainingPass(limit.tokens, limit.tokens // 8, recomputed)
    assert training_memory(QWEN2_7B, one_pass).total < gigabytes * GIGABYTE


def test_merging_and_scoring_fit_beside_the_weights() -> None:
    assert merging_memory(QWEN2_7B, 4, prompt_tokens=1200, counted_tokens=15).total < 40 * GIGABYTE
    scoring = scoring_memory(QWEN2_7B, tokens=2**14, logits_at_once=2**26)
    head = QWEN2_7B.vocabulary * QWEN2_7B.width
    assert scoring.weights == 2 * (QWEN2_7B.n_parameters + QWEN2_7B.n_adapted_weights) + 4 * head
    assert scoring.total < 40 * GIGABYTE


def test_a_configuration_of_another_architecture_is_refused() -> None:
    with pytest.raises(BenchError, match="num_key_value_heads"):
        DecoderShape.of_config({"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1})


def test_the_table_has_the_papers_batch_in_one_pass_and_in_passes_that_fit() -> None:
    whole, passes, merging, scoring = memory_rows(shape_of("Qwen/Qwen2-7B-Instruct"), gigabytes=80)
    assert not whole["fits"]
    assert (passes["fits"], merging["fits"], scoring["fits"]) == (True, True, True)
    assert passes["total"] <= 80 < whole["total"]
    assert passes["job"] == "train, 128 prompts in 16 passes"  # of eight prompts of 700 tokens, within 6,144
    parts = ("weights", "adapter", "optimizer", "activations", "logits")
    assert passes["total"] == pytest.approx(sum(passes[part] for part in parts))


def test_a_batch_that_fits_is_one_pass() -> None:
    whole = TrainingPass(700, 90)
    assert limited(whole, pass_limit(QWEN2_7B, 80 * GIGABYTE)) == whole
    assert limited(whole, NO_LIMIT) == whole
    assert limited(whole, PassLimit(350, 0)) == TrainingPass(350, 45, recomputed=True)


@pytest.mark.parametrize(
    ("name", "n_parameters"),
    [
        ("Qwen/Qwen2-0.5B-Instruct", 494_032_768),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 134_515_008),
    ],
)
def test_known_shapes_have_the_published_numbers_of_parameters(name: str, n_parameters: int) -> None:
    assert shape_of(name).n_parameters == n_parameters


def test_the_shape_of_a_directory_is_read_from_its_configuration(pico_folder: Path) -> None:
    shape = shape_of(str(pico_folder))
    assert (shape.width, shape.layers, shape.key_width, shape.inner_width) == (32, 2, 16, 64)


def test_an_unknown_model_is_one_line_with_near_names() -> None:
    with pytest.raises(BenchError, match=r"Did you mean Qwen/Qwen2-7B-Instruct") as error:
        shape_of("Qwen/Qwen2-7B")
    assert "\n" not in str(error.value)
