"""vLLM beside transformers on ``tiny`` and ``smollm2``: run by ``make test-vllm`` where vLLM is installed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.lm.adapters.adapter import Adapter, LoraRecipe, linear_modules
from bench.lm.adapters.apply import folded
from bench.lm.adapters.peft_folders import KIND, adapter_hash
from bench.lm.backbones import local_backbone
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.engines import TransformersEngine
from bench.lm.decoders.examples import titles_of
from bench.lm.decoders.lists import ListLanguageModel
from bench.lm.decoders.vllm_engine import VllmEngine
from bench.lm.smollm2 import packaged_smollm2, smollm2_backbone
from bench.lm.toys.tiny_decoder import TinyParams, tiny_backbone
from bench.plugin import Queries
from tests.support.adapter_training import trained as trained_adapter
from tests.support.text_toys import NOUNS, planted_groups

# vLLM and what it imports warn of their own matters
pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default")]

FEW_STEPS = TinyParams(steps=40, batch=4, row_tokens=256)
"""The tiny decoder in its full size, trained only as long as a test may take."""
N_PROMPTS = 240
MAX_NEW_TOKENS = 16
LEAST_AGREEMENT = 0.99
NEAR_TIE = 1e-3
"""Difference of two tokens' logits that either engine's rounding may turn round."""
N_SMOLLM2_PROMPTS = 20
SMOLLM2_NEAR_TIE = 1e-2
"""The same for a model with thirty layers, whose logits are larger."""
RECIPE = LoraRecipe(rank=16, alpha=16, learning_rate=2e-3, batch_size=8, max_examples=32, warmup_steps=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def domain():
    return planted_groups(N_PROMPTS)


@pytest.fixture(scope="module")
def writer(domain, store) -> ListLanguageModel:
    folder = tiny_backbone([domain], store, lambda _line: None, FEW_STEPS)
    return ListLanguageModel(local_backbone("tiny", folder, toy=True))


@pytest.fixture(scope="module")
def vllm_engine(writer, store) -> VllmEngine:
    return VllmEngine(writer.causal, writer.backbone.folder, store)


def random_adapter(writer: ListLanguageModel, rank: int, scaling: float, seed: int) -> Adapter:
    """Return an adapter that changes every layer much."""
    rng = torch.Generator().manual_seed(seed)
    factors = {
        name: (
            torch.randn(rank, layer.in_features, generator=rng) / layer.in_features**0.5,
            torch.randn(layer.out_features, rank, generator=rng) / 4,
        )
        for name, layer in linear_modules(writer.model).items()
    }
    return Adapter(factors, scaling, writer.backbone.revision, "random")


@pytest.fixture(scope="module")
def trained(writer, domain) -> Adapter:
    """An adapter of rank 16 that was taught lists for a few steps, from random factors on."""
    start = random_adapter(writer, RECIPE.rank, RECIPE.alpha / RECIPE.rank, seed=1)
    return trained_adapter(writer, [domain], RECIPE, start=start)[0]


@pytest.fixture(scope="module")
def strong(writer) -> Adapter:
    """An adapter of rank 4."""
    return random_adapter(writer, 4, 1.5, seed=0)


@pytest.fixture(scope="module")
def queries(domain) -> Queries:
    rng = np.random.default_rng(0)
    candidates = np.stack([rng.permutation(len(NOUNS))[:30] for _ in range(N_PROMPTS)]).astype(np.int32)
    return Queries(np.arange(N_PROMPTS), domain.indptr, domain.items, candidates)


@pytest.fixture(scope="module")
def prompts(writer, domain, queries) -> list[list[int]]:
    return writer.causal.prompt_ids(*titles_of(domain, queries))


def parting(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the first place at which two answers differ."""
    return next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)


def gap(causal: CausalLanguageModel, prompt: list[int], one: list[int], other: list[int]) -> float:
    """Return by how much transformers prefers its token where two greedy answers part, in logits."""
    place = parting(one, other)
    with torch.no_grad():
        logits = causal.logits_after([prompt + one[:place]])[0]
    return float(logits[one[place]] - logits[other[place]])


@pytest.mark.parametrize("name", ["trained", "strong"])
def test_engines_agree_on_nearly_all_prompts_and_part_at_near_ties_only(
    name: str, request: Any, writer, vllm_engine, prompts, capsys
) -> None:
    adapter = request.getfixturevalue(name)
    expected = TransformersEngine(writer.causal).greedy_ids(prompts, adapter, MAX_NEW_TOKENS)
    found = vllm_engine.greedy_ids(prompts, adapter, MAX_NEW_TOKENS)
    parted = [row for row in range(len(prompts)) if expected[row] != found[row]]
    with folded(writer.model, adapter):
        gaps = [gap(writer.causal, prompts[row], expected[row], found[row]) for row in parted]
    with capsys.disabled():
        shown = ", ".join(f"{one:.1e}" for one in gaps) or "none"
        print(
            f"\n{name}: {len(parted)} of {len(prompts)} answers ({len(set(map(tuple, expected)))} distinct ones) "
            f"differ; gaps in logits: {shown}"
        )
    assert writer.model.dtype == torch.float32
    assert len(set(map(tuple, expected))) > N_PROMPTS // 10
    assert len(parted) <= (1 - LEAST_AGREEMENT) * len(prompts)
    assert all(0 <= one < NEAR_TIE for one in gaps)


def test_an_adapter_that_is_slightly_off_would_not_agree(writer, prompts, strong) -> None:
    """The agreement above has teeth: a scaling that is wrong by 1 % is seen in far more answers than it allows."""
    engine, off = TransformersEngine(writer.causal), dataclasses.replace(strong, scaling=1.01 * strong.scaling)
    answers = [engine.greedy_ids(prompts[:100], adapter, MAX_NEW_TOKENS) for adapter in (strong, off)]
    assert np.mean([one != other for one, other in zip(*answers, strict=True)]) > 10 * (1 - LEAST_AGREEMENT)


def test_an_adapter_is_really_applied(writer, vllm_engine, prompts, strong) -> None:
    some = prompts[:20]
    bare = vllm_engine.greedy_ids(some, None, MAX_NEW_TOKENS)
    adapted = vllm_engine.greedy_ids(some, strong, MAX_NEW_TOKENS)
    assert bare == TransformersEngine(writer.causal).greedy_ids(some, None, MAX_NEW_TOKENS)
    assert all(one != other for one, other in zip(bare, adapted, strict=True))


def test_two_adapters_in_one_engine_do_not_mix(writer, vllm_engine, prompts, strong, trained) -> None:
    from vllm import SamplingParams
    from vllm.inputs import TokensPrompt

    some = prompts[:20]
    first = vllm_engine.greedy_ids(some, strong, MAX_NEW_TOKENS)
    second = vllm_engine.greedy_ids(some, trained, MAX_NEW_TOKENS)
    assert first != second
    assert second == TransformersEngine(writer.causal).greedy_ids(some, trained, MAX_NEW_TOKENS)
    assert vllm_engine.greedy_ids(some, strong, MAX_NEW_TOKENS) == first
    greedy = SamplingParams(temperature=0.0, max_tokens=4, stop_token_ids=[vllm_engine.end], ignore_eos=True)
    requests = [vllm_engine._request(adapter) for adapter in (strong, trained)] * 10
    mixed = [TokensPrompt(prompt_token_ids=ids) for ids in some]
    both = vllm_engine._llm.generate(mixed, greedy, lora_request=requests, use_tqdm=False)
    for row, answer in enumerate(both):
        assert list(answer.outputs[0].token_ids) == (first, second)[row % 2][row][:4]


def test_equal_adapters_are_named_by_their_hash_and_loaded_once(vllm_engine, prompts, strong, store) -> None:
    vllm_engine.greedy_ids(prompts[:2], strong, 2)
    folders, served = set((store.root / KIND).iterdir()), vllm_engine._llm.llm_engine.list_loras()
    copy = dataclasses.replace(
        strong, factors={name: (a.clone(), b.clone()) for name, (a, b) in strong.factors.items()}
    )
    vllm_engine.greedy_ids(prompts[:2], copy, 2)
    assert vllm_engine._llm.llm_engine.list_loras() == served
    assert set((store.root / KIND).iterdir()) == folders
    assert vllm_engine._request(copy).lora_name == adapter_hash(strong)
    assert vllm_engine.facts()["adapters"].count(adapter_hash(strong)) == 1


def test_common_beginnings_are_computed_once(vllm_engine, prompts, strong) -> None:
    from vllm import SamplingParams
    from vllm.inputs import TokensPrompt

    vllm_engine.greedy_ids(prompts[:1], strong, 1)
    again = vllm_engine._llm.generate(
        [TokensPrompt(prompt_token_ids=prompts[0])],
        SamplingParams(temperature=0.0, max_tokens=1),
        use_tqdm=False,
        lora_request=vllm_engine._request(strong),
    )
    assert again[0].num_cached_tokens >= len(prompts[0]) // 2
    facts = vllm_engine.facts()
    assert facts["prefix_caching"] is True
    assert facts["batch_invariant"] is False  # vLLM has no such kernels for processors
    assert (facts["dtype"], facts["max_model_len"]) == ("float32", FEW_STEPS.max_positions)
    assert facts["max_lora_rank"] >= strong.rank


def test_lists_rank_alike_whichever_engine_writes_them(writer, vllm_engine, domain, queries, trained, monkeypatch):
    some = queries.take(np.arange(40))
    monkeypatch.setattr(writer, "max_new_tokens", MAX_NEW_TOKENS)
    expected = writer.score_with(trained, domain, some, lambda _line: None)
    monkeypatch.setattr(writer, "engine", vllm_engine)
    found = writer.score_with(trained, domain, some, lambda _line: None)
    assert (expected != found).any(axis=1).mean() <= 1 - LEAST_AGREEMENT
    assert writer.facts()["generation"]["engine"] == "vllm"
    assert writer.facts()["lists"]["n_lists"] == len(some)


def test_an_engine_starts_afresh_for_a_higher_rank_or_after_another_one(
    vllm_engine, writer, prompts, strong, store
) -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    set_num_threads = torch.set_num_threads
    adapted = TransformersEngine(writer.causal).greedy_ids(prompts[:3], strong, 4)
    bare = vllm_engine.greedy_ids(prompts[:3], None, 4)
    another = VllmEngine(writer.causal, writer.backbone.folder, store, seed=3)
    assert another.greedy_ids(prompts[:3], None, 4) == bare
    assert another.greedy_ids(prompts[:3], strong, 4) == adapted
    assert another.facts()["max_lora_rank"] == 8
    assert vllm_engine.greedy_ids(prompts[:3], None, 4) == bare
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.set_num_threads is set_num_threads


def test_a_model_that_vllm_cannot_serve_is_an_error_with_the_way_out(pico, pico_folder: Path, store) -> None:
    with pytest.raises(BenchError, match=r"vLLM cannot load backbone .* Remove --backend"):
        VllmEngine(pico, pico_folder, store).greedy_ids([[5, 6, 7]], None, 1)


@pytest.mark.skipif(packaged_smollm2() is None, reason="the smollm2 extra is not installed")
def test_the_packaged_pre_trained_decoder_writes_alike_in_both_engines(store, domain, queries, capsys) -> None:
    written = ListLanguageModel(smollm2_backbone(store, lambda _line: None))
    engine = VllmEngine(written.causal, written.backbone.folder, store)
    adapter = random_adapter(written, 4, 0.1, seed=0)
    some = written.causal.prompt_ids(*titles_of(domain, queries.take(np.arange(N_SMOLLM2_PROMPTS))))
    answers = []
    for used in (None, adapter):
        expected = TransformersEngine(written.causal).greedy_ids(some, used, MAX_NEW_TOKENS)
        found = engine.greedy_ids(some, used, MAX_NEW_TOKENS)
        parted = [row for row in range(len(some)) if expected[row] != found[row]]
        with folded(written.model, used):
            gaps = [gap(written.causal, some[row], expected[row], found[row]) for row in parted]
        with capsys.disabled():
            print(f"\nsmollm2: {len(parted)} of {len(some)} answers differ")
        assert all(0 <= one < SMOLLM2_NEAR_TIE for one in gaps)
        assert len(parted) <= len(some) // 10
        answers.append(expected)
    assert answers[0] != answers[1]
