from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.errors import BenchError
from bench.lm.adapters.adapter import (
    Adapter,
    AdapterSpec,
    LoraRecipe,
    in_top_layers,
    linear_modules,
    load_adapter,
    save_adapter,
)

ONE = Adapter({"a.b": (torch.ones(2, 3), torch.ones(4, 2)), "c": (torch.ones(2, 5), torch.ones(5, 2))}, 2.0, "r", "i")


def test_an_adapter_counts_its_parameters_as_rank_times_both_sides() -> None:
    assert ONE.n_parameters == 2 * (3 + 4) + 2 * (5 + 5)


def test_a_saved_adapter_comes_back_equal(tmp_path: Path) -> None:
    save_adapter(tmp_path, ONE, {"note": 1})
    loaded, facts = load_adapter(tmp_path)
    assert (loaded.scaling, loaded.base, loaded.initialisation, facts["note"]) == (2.0, "r", "i", 1)
    assert loaded.factors.keys() == ONE.factors.keys()
    for module, pair in ONE.factors.items():
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(pair, loaded.factors[module], strict=True))


@pytest.mark.parametrize("temperature", [None, 0.13])
def test_a_saved_adapter_keeps_its_temperature(tmp_path: Path, temperature: float | None) -> None:
    save_adapter(tmp_path, replace(ONE, temperature=temperature), {})
    assert load_adapter(tmp_path)[0].temperature == temperature


def test_an_adapter_stored_before_temperatures_were_fitted_has_none(tmp_path: Path) -> None:
    save_adapter(tmp_path, ONE, {})
    facts = json.loads((tmp_path / "adapter.json").read_text())
    del facts["temperature"]
    (tmp_path / "adapter.json").write_text(json.dumps(facts))
    assert load_adapter(tmp_path)[0].temperature is None


def test_a_damaged_adapter_file_is_found_by_its_hash(tmp_path: Path) -> None:
    save_adapter(tmp_path, ONE, {})
    path = tmp_path / "adapter.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BenchError, match="is damaged"):
        load_adapter(tmp_path)


def test_a_cut_off_adapter_file_is_found_by_its_hash(tmp_path: Path) -> None:
    save_adapter(tmp_path, ONE, {})
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(BenchError, match=r"adapter\.safetensors is damaged \(its SHA-256 has changed\)"):
        load_adapter(tmp_path)


@pytest.mark.parametrize("facts", ["", "{", "{}", "[]"])
def test_an_adapter_whose_facts_are_damaged_or_gone_is_refused_in_one_line(tmp_path: Path, facts: str) -> None:
    save_adapter(tmp_path, ONE, {})
    (tmp_path / "adapter.json").write_text(facts)
    with pytest.raises(BenchError, match=r"cannot be read .* Delete its directory and run again") as error:
        load_adapter(tmp_path)
    assert "\n" not in str(error.value)
    (tmp_path / "adapter.json").unlink()
    with pytest.raises(BenchError, match="cannot be read"):
        load_adapter(tmp_path)


def test_output_heads_and_poolers_are_not_adapted() -> None:
    model = torch.nn.ModuleDict(
        {"body": torch.nn.Linear(2, 2), "lm_head": torch.nn.Linear(2, 2), "pooler": torch.nn.Linear(2, 2)}
    )
    assert list(linear_modules(model)) == ["body"]


def test_a_shorter_prompt_is_another_adapter_and_the_default_one_keeps_its_hash() -> None:
    def recipe(**values: Any) -> dict[str, Any]:
        key: dict[str, Any] = AdapterSpec("base", ("domain",), LoraRecipe(**values), 0).key()["recipe"]
        return key

    assert not {"title_words", "candidates_in_prompt"} & set(recipe())
    assert recipe(title_words=8)["title_words"] == 8
    assert recipe(candidates_in_prompt=False)["candidates_in_prompt"] is False


@pytest.mark.parametrize(("n_layers", "numbers"), [(1, (10,)), (2, (9, 10)), (5, (2, 9, 10)), (0, (2, 9, 10))])
def test_modules_of_the_top_layers_are_told_by_their_number(n_layers: int, numbers: tuple[int, ...]) -> None:
    modules = [f"model.layers.{number}.{part}" for number in (2, 9, 10) for part in ("mlp.up_proj", "self_attn.q_proj")]
    expected = [name for name in modules if int(name.split(".")[2]) in numbers]
    assert in_top_layers(modules, n_layers) == expected


def test_a_module_outside_the_layers_is_only_among_all() -> None:
    modules = ["embed.project", "model.layers.0.mlp.up_proj"]
    assert in_top_layers(modules, 0) == modules
    assert in_top_layers(modules, 1) == modules[1:]
