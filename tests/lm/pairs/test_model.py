from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.lm.adapters.adapter import load_adapter, save_adapter
from bench.lm.adapters.apply import folded
from bench.lm.adapters.experts import ParallelExperts
from bench.lm.backbones import local_backbone
from bench.lm.pairs.layers import _attention
from bench.lm.pairs.model import PairHead, PairLanguageModel, PairRecipe, candidates_loss, learnable_users
from bench.lm.pairs.prompts import TITLE_TOKENS, PairBatch, mean_jaccard_distance
from bench.metrics import Metric, per_user, rank_positive
from tests.support.adapter_training import trained
from tests.support.pair_toys import (
    N_COMMON,
    marked_domain,
    marked_queries,
    pico_pairs,
    random_adapter,
    save_pico_deberta,
)

RECIPE = PairRecipe(rank=4, alpha=8, learning_rate=2e-2, batch_size=4, epochs=5, max_tokens=64)


@pytest.fixture(scope="module")
def folders(pico_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    deberta = save_pico_deberta(tmp_path_factory.mktemp("pico-deberta"), pico_encoder_folder)
    return {"bert": pico_encoder_folder, "deberta": deberta}


@pytest.fixture(params=["bert", "deberta"])
def pairs(request, folders) -> PairLanguageModel:
    return pico_pairs(folders[request.param])


def prompts_of(pairs: PairLanguageModel, n_queries: int = 2) -> list[np.ndarray]:
    domain = marked_domain("apple")
    queries, _ = marked_queries(domain)
    rows = range(n_queries)
    return [
        prompt
        for row in rows
        for prompt in pairs.prompts.prompts(domain, queries.history(row)[: 3 + row], queries.candidates[row])
    ]


def plain_first_tokens(pairs: PairLanguageModel, prompts: list[np.ndarray]) -> torch.Tensor:
    """Run transformers' own forward on one prompt after the other."""
    with torch.no_grad():
        rows = [pairs.model(torch.from_numpy(prompt)[None]).last_hidden_state[:, 0] for prompt in prompts]
    return torch.cat(rows)


def test_the_walk_gives_what_the_model_itself_gives_one_prompt_at_a_time(pairs) -> None:
    prompts = prompts_of(pairs)
    assert len({len(prompt) for prompt in prompts}) > 1
    with torch.no_grad():
        found = pairs.walk.pooled(PairBatch.of(prompts, "cpu"))[0]
    torch.testing.assert_close(found, plain_first_tokens(pairs, prompts), rtol=1e-4, atol=1e-5)


def test_all_tokens_are_those_of_the_model_too(pairs) -> None:
    prompt = prompts_of(pairs)[0]
    with torch.no_grad():
        found = pairs.walk.all_tokens(PairBatch.of([prompt], "cpu"))
        expected = pairs.model(torch.from_numpy(prompt)[None]).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_masked", [True, False])
def test_attention_in_training_has_the_gradients_of_torchs_own(is_masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(3, 2, 7, 4, generator=generator).bfloat16() for _ in range(3)]
    mask = torch.arange(7) < torch.tensor([7, 5, 3])[:, None] if is_masked else None
    weights = torch.randn(3, 7, 8, generator=generator)
    found = [state.clone().requires_grad_() for state in states]
    exact = [state.float().requires_grad_() for state in states]
    for leaves in (found, exact):
        attended = _attention(None, *leaves, None if mask is None else mask[:, None, None])
        (attended.float() * weights).sum().backward()
    for mine, theirs in zip(found, exact, strict=True):
        assert mine.grad.dtype == torch.bfloat16
        torch.testing.assert_close(mine.grad.float(), theirs.grad, rtol=0.05, atol=0.03)


def test_parallel_streams_are_the_adapted_encoders_on_their_own(pairs) -> None:
    prompts = prompts_of(pairs)
    adapters = [random_adapter(pairs, seed) for seed in range(3)]
    experts = ParallelExperts(adapters)
    with torch.no_grad(), experts.hooked(pairs.model):
        streams = pairs.walk.pooled(PairBatch.of(prompts, "cpu"), experts, 3)
    for adapter, stream in zip(adapters, streams, strict=True):
        with folded(pairs.model, adapter):
            alone = plain_first_tokens(pairs, prompts)
        torch.testing.assert_close(stream, alone, rtol=1e-4, atol=1e-4)
    assert (streams[0] - streams[1]).abs().max() > 0.1


def test_a_token_at_a_position_is_embedded_once_for_all_prompts(pairs) -> None:
    prompts = prompts_of(pairs, n_queries=1)
    batch = PairBatch.of(prompts, "cpu")
    history = len(pairs.prompts.prefix(marked_domain("apple"), []))
    distinct = {(int(token), place) for prompt in prompts for place, token in enumerate(prompt)}
    assert len(batch.tokens) == len(distinct) < len(prompts) * history
    restored = batch.tokens[batch.index]
    for row, prompt in enumerate(prompts):
        assert restored[row, : len(prompt)].tolist() == prompt.tolist()


def test_thirty_candidates_at_once_score_as_thirty_single_ones(pairs) -> None:
    domain = marked_domain("apple")
    queries, _ = marked_queries(domain, n_queries=3)
    together = pairs.score(domain, queries, lambda _line: None)
    for column in (0, 7, 29):
        single = dataclasses.replace(queries, candidates=queries.candidates[:, [column]])
        alone = pairs.score(domain, single, lambda _line: None)
        np.testing.assert_allclose(together[:, column], alone[:, 0], rtol=1e-4, atol=1e-5)


def test_permuting_candidates_permutes_scores(pairs) -> None:
    domain = marked_domain("apple")
    queries, _ = marked_queries(domain, n_queries=3)
    order = np.random.default_rng(0).permutation(30)
    permuted = dataclasses.replace(queries, candidates=queries.candidates[:, order])
    scores = pairs.score(domain, queries, lambda _line: None)
    np.testing.assert_allclose(
        pairs.score(domain, permuted, lambda _line: None), scores[:, order], rtol=1e-4, atol=1e-5
    )


def test_equal_scores_cost_the_logarithm_of_thirty() -> None:
    assert candidates_loss(torch.zeros(60), 2).item() == pytest.approx(math.log(30), abs=1e-6)
    assert candidates_loss(torch.zeros(60), 2).item() == pytest.approx(3.401197, abs=1e-6)


def test_the_head_is_a_dense_gelu_layer_and_a_linear_scorer() -> None:
    head = PairHead(768)
    assert sum(weights.numel() for weights in head.parameters()) == 591_361
    states = torch.randn(5, 768)
    pooled = torch.nn.functional.gelu(states @ head.pooler.weight.T + head.pooler.bias)
    torch.testing.assert_close(head(states), (pooled @ head.scorer.weight.T + head.scorer.bias)[:, 0])


def test_the_oldest_titles_are_dropped_first_and_a_candidate_never(folders) -> None:
    pairs = PairLanguageModel(
        local_backbone("pico", folders["bert"]), "cpu", PairRecipe(max_tokens=TITLE_TOKENS + 13, max_history=50)
    )
    domain = marked_domain("apple")
    history = np.arange(20)
    prompt = pairs.prompts.prompts(domain, history, np.array([30]))[0]
    words = pairs.tokenizer.convert_ids_to_tokens(prompt.tolist())
    expected = [domain.titles[item].split() for item in (18, 19, 30)]
    for title in expected:
        assert " ".join(title) in " ".join(words)
    assert " ".join(domain.titles[17].split()) not in " ".join(words)
    assert len(prompt) <= TITLE_TOKENS + 13
    assert words[-1] == "[SEP]"
    assert words[0] == "[CLS]"


def test_titles_keep_eight_words(folders) -> None:
    pairs = PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", PairRecipe(max_tokens=64))
    domain = dataclasses.replace(marked_domain("apple"), titles=("1 2 3 4 5 6 7 8 9 10",) * 168)
    words = pairs.tokenizer.convert_ids_to_tokens(pairs.prompts.prompts(domain, np.array([0]), np.array([1]))[0])
    assert words.count("8") == 2
    assert "9" not in words


def test_too_short_a_prompt_is_refused(folders) -> None:
    with pytest.raises(BenchError, match="leaves no room for a candidate"):
        PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", PairRecipe(max_tokens=30))


def test_examples_ask_for_the_last_item_among_untouched_ones(folders) -> None:
    pairs = PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", RECIPE)
    domain = marked_domain("apple", 20)
    users = learnable_users(domain, 29)
    assert users.tolist() == list(range(20))
    asked: list[tuple[int, ...]] = []
    pairs.prompts.prompts = lambda _domain, history, items: asked.append((*history, *items)) or []
    with pytest.raises(ValueError, match="zero-size"):
        next(pairs.batches([domain], RECIPE, np.random.default_rng(0)))
    for row in asked:
        history, positive, negatives = row[:4], row[4], row[5:]
        assert [*history, positive] in [domain.history(user).tolist() for user in users]
        assert len(set(negatives)) == 29
        assert not set(negatives) & {*history, positive}


def test_negatives_are_redrawn_every_epoch(folders) -> None:
    pairs = PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", RECIPE)
    domain, rng = marked_domain("apple", 20), np.random.default_rng(0)
    epochs = [
        {int(u): n.tolist() for _, us, ns in pairs._planned(domain, RECIPE, rng) for u, n in zip(us, ns, strict=True)}
        for _ in range(2)
    ]
    assert set(epochs[0]) == set(epochs[1]) == set(range(20))
    assert all(sorted(epochs[0][user]) != sorted(epochs[1][user]) for user in range(20))


def test_a_domain_too_small_for_the_negatives_has_no_learnable_users() -> None:
    domain = marked_domain("apple", 20)
    assert not len(learnable_users(domain, 60))


def test_training_learns_the_marked_titles_and_keeps_the_head(folders, tmp_path) -> None:
    pairs = PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", RECIPE)
    domain = marked_domain("apple")
    adapter, log = trained(pairs, [domain], RECIPE)
    assert log.n_examples > 100
    save_adapter(tmp_path, adapter, {})
    stored, _ = load_adapter(tmp_path)
    assert {name: value.shape for name, value in stored.head.items()} == {
        "pooler.weight": (32, 32),
        "pooler.bias": (32,),
        "scorer.weight": (1, 32),
        "scorer.bias": (1,),
    }
    assert sorted(stored.factors) == sorted(
        f"encoder.layer.{layer}.attention.self.{name}" for layer in (0, 1) for name in ("query", "value")
    )
    queries, answers = marked_queries(domain)
    with pairs.using(stored):
        ranks = rank_positive(pairs.score(domain, queries, lambda _line: None), answers.positive_column)
    assert per_user(ranks, Metric("ndcg", 1)).mean() >= 0.9
    assert queries.candidates.max() >= N_COMMON + domain.n_users


def test_the_diversity_of_prompts_is_their_mean_jaccard_distance() -> None:
    prompts = [np.array(row) for row in ([1, 2, 2, 3], [3, 2, 1], [1, 4], [9])]
    pairs_of_sets = [(0, 3 / 3), (1, 1 / 4), (2, 0), (3, 1 / 4), (4, 0), (5, 0)]
    expected = 1 - sum(share for _, share in pairs_of_sets) / 6
    assert mean_jaccard_distance(prompts) == pytest.approx(expected)
    assert mean_jaccard_distance(prompts[:2]) == pytest.approx(0.0)
    assert mean_jaccard_distance(prompts[:1]) == 0.0


def test_training_prompts_are_described_by_number_length_and_diversity(folders) -> None:
    pairs = PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", RECIPE)
    facts = pairs.training_prompts(marked_domain("apple", 20), 29)
    assert facts.n_users == 20
    assert 10 < facts.mean_tokens < RECIPE.max_tokens
    assert 0.1 < facts.diversity < 1


def test_heads_of_one_seed_start_alike(folders) -> None:
    pairs = PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", RECIPE)
    first, again, other = pairs.new_head(3), pairs.new_head(3), pairs.new_head(4)
    assert torch.equal(first.pooler.weight, again.pooler.weight)
    assert not torch.equal(first.pooler.weight, other.pooler.weight)


def test_an_encoder_of_another_architecture_is_refused(folders) -> None:
    pairs = PairLanguageModel(local_backbone("pico", folders["bert"]), "cpu", RECIPE)
    pairs.model.config.model_type = "t5"
    from bench.lm.pairs.layers import LayerWalk

    with pytest.raises(BenchError, match="architectures bert, deberta-v2"):
        LayerWalk(pairs.model)
