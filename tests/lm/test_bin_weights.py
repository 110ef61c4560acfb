"""Weights that a hub has as ``pytorch_model.bin`` alone, and a tokenizer that needs sentencepiece: DeBERTa-v3."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench.errors import BenchError
from bench.lm.backbones import hub_folder, local_backbone, reading_model
from bench.lm.bin_weights import convert_to_safetensors
from bench.lm.pairs.model import PairLanguageModel, PairRecipe
from tests.support.pair_toys import save_pico_deberta


class Payload:
    """What a pickle should never bring."""


@pytest.fixture(scope="module")
def deberta(tmp_path_factory: pytest.TempPathFactory, pico_encoder_folder: Path) -> Path:
    return save_pico_deberta(tmp_path_factory.mktemp("deberta"), pico_encoder_folder)


@pytest.fixture
def on_hub(deberta: Path, tmp_path: Path) -> Path:
    """The same DeBERTa as its authors saved theirs: a pickle and no safetensors."""
    folder = Path(shutil.copytree(deberta, tmp_path / "hub"))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_a_pickle_alone_is_fetched_and_converted_once(
    deberta: Path, on_hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(_name: str, allow_patterns: Sequence[str]) -> str:
        snapshot = tmp_path / "snapshot"
        snapshot.mkdir(exist_ok=True)
        for path in on_hub.iterdir():
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy2(path, snapshot)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    folder = hub_folder("microsoft/deberta-v3-base")
    converted = folder / "model.safetensors"
    written = converted.stat().st_mtime_ns
    expected, found = load_file(deberta / "model.safetensors"), load_file(converted)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    revision = local_backbone("pico", folder).revision
    assert hub_folder("microsoft/deberta-v3-base") == folder
    assert converted.stat().st_mtime_ns == written
    assert local_backbone("pico", folder).revision == revision


def test_both_ways_of_saving_load_as_the_same_encoder(deberta: Path, on_hub: Path) -> None:
    convert_to_safetensors(on_hub)
    states = [
        PairLanguageModel(local_backbone("pico", folder), "cpu", PairRecipe(max_tokens=64)).model.state_dict()
        for folder in (deberta, on_hub)
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[1][name], tensor) for name, tensor in states[0].items())


def test_a_pickle_that_is_more_than_tensors_is_refused_and_nothing_is_written(on_hub: Path) -> None:
    torch.save({"weights": torch.ones(2), "payload": Payload()}, on_hub / "pytorch_model.bin")
    with pytest.raises(BenchError, match="not plain tensors") as error:
        convert_to_safetensors(on_hub)
    assert "\n" not in str(error.value)
    assert not (on_hub / "model.safetensors").exists()


def test_a_tokenizer_of_sentencepiece_names_the_extra_that_reads_it(
    deberta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(deberta, tmp_path / "spm"))
    backbone = local_backbone("pico", folder)
    (folder / "spm.model").write_bytes(b"a model")
    monkeypatch.setattr("bench.files.extras.is_installed", lambda module: module != "sentencepiece")
    with reading_model(backbone):
        pass
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BenchError, match=r"llmrec-bench\[sentencepiece\]"), reading_model(backbone):
        pass


def test_with_sentencepiece_its_tokenizer_reads_titles(deberta: Path, tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers import AutoTokenizer

    folder = Path(shutil.copytree(deberta, tmp_path / "spm"))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    text = tmp_path / "text.txt"
    text.write_text("hand soap\nlip balm\nhair brush\nface mask\n" * 5, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "spm"), vocab_size=40, minloglevel=2, hard_vocab_limit=False
    )
    with reading_model(local_backbone("pico", folder)):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    assert len(tokenizer("hand soap")["input_ids"]) > 2
