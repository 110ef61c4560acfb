from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from bench.files.store import ArtifactStore
from bench.lm.adapters.adapter import Adapter, linear_modules
from bench.lm.adapters.apply import folded
from bench.lm.adapters.peft_folders import adapter_hash, save_peft_folder, served_adapter


@pytest.fixture
def adapter(pico) -> Adapter:
    """Random factors of rank 4, of rank 2 in the output projections and none in the second layer's values."""
    rng = torch.Generator().manual_seed(0)
    ranks = {name: 2 if "o_proj" in name else 4 for name in linear_modules(pico.model) if "1.self_attn.v" not in name}
    modules = linear_modules(pico.model)
    return Adapter(
        {
            name: (
                torch.randn(rank, modules[name].in_features, generator=rng),
                torch.randn(modules[name].out_features, rank, generator=rng) / 10,
            )
            for name, rank in ranks.items()
        },
        scaling=1.5,
        base="pico",
        initialisation="random",
    )


def test_peft_reads_the_folder_as_the_very_adapter(pico, adapter: Adapter, tmp_path: Path) -> None:
    from peft import PeftModel

    save_peft_folder(tmp_path, adapter)
    ids = torch.tensor([pico.token_ids(["A prompt about soap"])[0]])
    with torch.no_grad():
        bare = pico.model(ids).logits
        with folded(pico.model, adapter):
            expected = pico.model(ids).logits
        read = PeftModel.from_pretrained(pico.model, tmp_path)
        torch.testing.assert_close(read(ids).logits, expected, atol=1e-4, rtol=1e-4)
    assert (bare - expected).abs().max() > 0.1
    assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 4


def test_equal_adapters_have_one_hash_and_one_folder(adapter: Adapter, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    copied = {name: (a.clone(), b.clone()) for name, (a, b) in reversed(adapter.factors.items())}
    name, folder = served_adapter(adapter, store)
    assert served_adapter(dataclasses.replace(adapter, factors=copied), store) == (name, folder)
    assert len(list(folder.parent.iterdir())) == 1
    assert name == adapter_hash(adapter)


def test_any_difference_makes_another_hash(adapter: Adapter) -> None:
    a, b = adapter.factors["model.layers.0.self_attn.q_proj"]
    changed = {**adapter.factors, "model.layers.0.self_attn.q_proj": (a, b + 1e-6)}
    others = [
        dataclasses.replace(adapter, factors=changed),
        dataclasses.replace(adapter, scaling=2.0),
        dataclasses.replace(adapter, base="another"),
    ]
    assert len({adapter_hash(one) for one in [adapter, *others]}) == 4
