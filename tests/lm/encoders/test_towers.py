from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.backbones import local_backbone, packaged_minilm, resolve_backbone
from bench.lm.encoders.tower_batches import RECENCY_DECAY, Positions, TowerBatch
from bench.lm.encoders.towers import (
    TEMPERATURE,
    LearnedTemperature,
    TowerLanguageModel,
    batch_loss,
    padded_histories,
    tower_scores,
)
from bench.metrics import Metric, chance, per_user, rank_positive
from bench.plugin import Queries
from bench.progress import Steps
from bench.protocol.task import prepare_task
from bench.spec import ProtocolSpec
from tests.support.adapter_training import trained
from tests.support.heard import Heard
from tests.support.text_toys import NOUNS, domain_of, planted_groups

needs_minilm = pytest.mark.skipif(packaged_minilm() is None, reason="the minilm extra is not installed")


@pytest.fixture(scope="module")
def towers(pico_encoder_folder: Path) -> TowerLanguageModel:
    return TowerLanguageModel(local_backbone("pico", pico_encoder_folder))


def queries_of(histories: list[list[int]], candidates: list[list[int]]) -> Queries:
    lengths = [len(history) for history in histories]
    return Queries(
        np.arange(len(histories)),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array([item for history in histories for item in history], dtype=np.int32),
        np.array(candidates, dtype=np.int32),
    )


def unit_vectors(n: int, dimension: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_histories_are_padded_most_recent_first_with_decaying_weights() -> None:
    items, weights = padded_histories(queries_of([[5, 6, 7], [9]], [[0], [0]]), max_history=2)
    assert items.tolist() == [[7, 6], [9, 0]]
    np.testing.assert_allclose(weights, [[1, RECENCY_DECAY], [1, 0]])


def test_a_score_is_the_cosine_with_the_decayed_sum_of_the_history() -> None:
    table = unit_vectors(6)
    summed = table[2] + RECENCY_DECAY * table[1] + RECENCY_DECAY**2 * table[0]
    expected = table[[3, 4, 5]] @ (summed / np.linalg.norm(summed))
    np.testing.assert_allclose(
        tower_scores(table, queries_of([[0, 1, 2]], [[3, 4, 5]]))[0], expected, rtol=1e-5, atol=1e-6
    )


def test_permuting_candidates_permutes_scores() -> None:
    table, candidates = unit_vectors(40), [list(range(10, 40))]
    order = np.random.default_rng(0).permutation(30)
    scores = tower_scores(table, queries_of([[0, 1]], candidates))
    permuted = tower_scores(table, queries_of([[0, 1]], [[candidates[0][i] for i in order]]))
    np.testing.assert_array_equal(permuted[0], scores[0, order])


def test_a_vector_does_not_depend_on_the_texts_beside_it(towers: TowerLanguageModel) -> None:
    tokens = towers.encoder.tokenize(["apple", "anchor bridge candle desert engine feather garden"])
    with torch.no_grad():
        alone = towers.encoder.encode(tokens[:1])
        beside = towers.encoder.encode(tokens)
    torch.testing.assert_close(alone[0], beside[0], rtol=1e-5, atol=1e-6)


def test_an_untitled_item_has_a_zero_vector(towers: TowerLanguageModel) -> None:
    domain = domain_of([[0, 1]], ["apple", ""])
    with torch.no_grad():
        norms = towers.item_vectors(domain, np.array([0, 1])).norm(dim=1)
    torch.testing.assert_close(norms, torch.tensor([1.0, 0.0]))


def batch_of(
    weights: np.ndarray, targets: list[int], excluded: np.ndarray | None = None, log_chances: np.ndarray | None = None
) -> TowerBatch:
    """Return positions over as many items as the history weights have columns."""
    n_positions, n_items = weights.shape
    return TowerBatch(
        domain_of([[0, 1]], NOUNS),
        np.arange(n_items),
        weights.astype(np.float32),
        np.array(targets),
        np.zeros((n_positions, n_items), dtype=bool) if excluded is None else excluded,
        np.zeros(n_items, dtype=np.float32) if log_chances is None else log_chances.astype(np.float32),
    )


def test_equal_vectors_lose_the_logarithm_of_the_items_that_are_not_excluded() -> None:
    vectors, excluded = torch.ones(40, 4) / 2, np.zeros((2, 40), dtype=bool)
    excluded[0, 30:], excluded[1, 10:] = True, True
    batch = batch_of(np.ones((2, 40)), [3, 5], excluded)
    expected = (math.log(30) + math.log(10)) / 2
    assert batch_loss(vectors, batch, LearnedTemperature()).item() == pytest.approx(expected, abs=1e-5)


def test_a_likely_item_costs_a_position_less_as_a_wrong_answer() -> None:
    """With equal vectors the probability of an item is its weight's share, 1 / chance of all 1 / chances."""
    chances = np.array([1.0, 0.5, 0.25, 0.1])
    shares = (1 / chances) / (1 / chances).sum()
    for target in range(4):
        batch = batch_of(np.ones((1, 4)), [target], log_chances=np.log(chances))
        loss = batch_loss(torch.ones(4, 4) / 2, batch, LearnedTemperature())
        assert loss.item() == pytest.approx(-math.log(shares[target]), abs=1e-5)


def test_a_chance_that_all_items_share_changes_nothing() -> None:
    vectors, weights = torch.from_numpy(unit_vectors(6)), np.random.default_rng(0).uniform(size=(3, 6))
    plain = batch_loss(vectors, batch_of(weights, [0, 1, 2]), LearnedTemperature())
    lowered = batch_loss(vectors, batch_of(weights, [0, 1, 2], log_chances=np.full(6, -2.5)), LearnedTemperature())
    torch.testing.assert_close(lowered, plain)


def test_all_positions_at_once_lose_the_same_as_one_at_a_time() -> None:
    domain = planted_groups(n_users=20)
    positions = Positions(domain, 3)
    places = positions.epoch(0, 40, np.random.default_rng(0))[0]
    batch = positions.batch(places, 10, np.random.default_rng(1))
    table = torch.from_numpy(unit_vectors(domain.n_items))
    head = LearnedTemperature()
    head.logarithm.data.fill_(math.log(0.4))
    losses = []
    for row, place in enumerate(places):
        user = int(np.searchsorted(domain.indptr, place, side="right")) - 1
        history = domain.items[max(domain.indptr[user], place - 3) : place]
        decay = torch.tensor([RECENCY_DECAY**back for back in range(len(history))]).flip(0)
        vector = torch.nn.functional.normalize((decay[:, None] * table[history]).sum(0), dim=0)
        rivals = [item for item in batch.items if item == domain.items[place] or item not in domain.history(user)]
        chance = {int(item): float(value) for item, value in zip(batch.items, batch.log_chances, strict=True)}
        logits = torch.stack([table[item] @ vector / 0.4 - chance[int(item)] for item in rivals])
        losses.append(-logits.log_softmax(0)[rivals.index(domain.items[place])])
        assert len(rivals) == int((~batch.excluded[row]).sum())
    together = batch_loss(table[batch.items], batch, head)
    torch.testing.assert_close(together, torch.stack(losses).mean())


def test_the_temperature_is_learned_with_the_adapter(towers: TowerLanguageModel) -> None:
    head = LearnedTemperature()
    vectors = torch.from_numpy(unit_vectors(6))
    batch_loss(vectors, batch_of(np.eye(6)[:3], [1, 2, 3]), head).backward()
    assert head.logarithm.exp().item() == pytest.approx(TEMPERATURE)
    assert head.logarithm.grad.abs() > 0
    towers.new_head(0)
    towers.begin_at(0.4)
    assert towers.head(torch.tensor(1.0)).item() == pytest.approx(2.5)
    assert towers.new_head(0)(torch.tensor(1.0)).item() == pytest.approx(1 / TEMPERATURE)


def test_held_layers_give_the_loss_and_the_scores_of_the_ordinary_path(towers, monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    domain = planted_groups(n_users=20)
    recipe = LoraRecipe(n_negatives=10).completed(TowerLanguageModel.defaults)
    queries = queries_of([[0, 1, 2], [5]], [list(range(20, 50)), list(range(30, 60))])
    batch, n_positions = next(towers.batches([domain], recipe, np.random.default_rng(0)))
    assert n_positions == len(batch.targets)
    ordinary = towers.loss(batch)
    with towers.prepared_for([domain], recipe):
        held = towers.loss(batch)
        with torch.no_grad():
            scores = towers.scores_in_training(domain, queries, lambda _line: None)
    torch.testing.assert_close(held, ordinary, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scores, towers.score(domain, queries, lambda _line: None), atol=1e-5)


def test_preparing_tells_of_each_domain_how_many_titles_are_done(towers) -> None:
    domain = planted_groups(n_users=20)
    told = Heard()
    with towers.prepared_for([domain], LoraRecipe().completed(TowerLanguageModel.defaults), told):
        pass
    n = domain.n_items
    assert told.steps[-1] == (f"{domain.name}: computing the frozen layers", n, n)
    assert all(message.n_after is None for message in told.messages if isinstance(message, Steps))  # training follows


def test_an_epoch_of_several_domains_has_all_their_positions_in_batches_of_one_each(towers) -> None:
    domains = [planted_groups(n_users, name=str(n_users)) for n_users in (20, 30)]
    recipe = LoraRecipe(batch_size=16, max_examples=0, n_negatives=5)
    batches = list(towers.batches(domains, recipe, np.random.default_rng(0)))
    counts = {domain.name: sum(n for batch, n in batches if batch.domain is domain) for domain in domains}
    expected = {domain.name: len(Positions(domain, 20).places) for domain in domains}
    assert counts == expected
    assert towers.count_examples(domains, recipe) == sum(expected.values())
    names = [batch.domain.name for batch, _ in batches]
    assert names != sorted(names)
    assert names != sorted(names, reverse=True)
    few = dataclasses.replace(recipe, max_examples=40)
    assert towers.count_examples(domains, few) == 80


@pytest.mark.parametrize(("n_layers", "adapted"), [(1, {"1"}), (2, {"0", "1"}), (0, {"0", "1"}), (9, {"0", "1"})])
def test_the_top_layers_are_adapted(towers, n_layers: int, adapted: set[str]) -> None:
    modules = towers.adapted_modules(LoraRecipe(adapted_layers=n_layers))
    assert {name.split(".")[2] for name in modules} == adapted
    assert len(modules) == 6 * len(adapted)


@pytest.mark.parametrize("n_layers", [1, 9])
def test_adapters_of_fewer_or_more_layers_than_there_are_train(towers, n_layers: int) -> None:
    recipe = LoraRecipe(rank=2, alpha=4, epochs=1, batch_size=16, warmup_steps=1, adapted_layers=n_layers)
    adapter, _ = trained(towers, [planted_groups(n_users=20)], recipe)
    assert len(adapter.factors) == 6 * min(n_layers, 2)
    assert all(b.any() for _, b in adapter.factors.values())


def test_an_encoder_that_cannot_be_split_is_adapted_and_read_whole(pico_encoder_folder: Path) -> None:
    towers = TowerLanguageModel(local_backbone("pico", pico_encoder_folder))
    towers.model.config.model_type = "another"
    recipe = LoraRecipe(rank=2, alpha=4, epochs=1, batch_size=16, warmup_steps=1)
    adapter, _ = trained(towers, [planted_groups(n_users=20)], recipe)
    assert len(adapter.factors) == 12
    assert all(b.any() for _, b in adapter.factors.values())


@pytest.mark.parametrize("max_history", [1, 2, 20])
def test_scores_read_as_much_of_a_history_as_the_model_says(towers, max_history: int) -> None:
    domain = planted_groups(n_users=20)
    candidates = [list(range(30, 60))]
    whole = queries_of([[0, 1, 2, 3]], candidates)
    cut = queries_of([[0, 1, 2, 3][-max_history:]], candidates)
    expected = towers.score(domain, cut, lambda _line: None)
    towers.max_history = max_history
    try:
        np.testing.assert_allclose(towers.score(domain, whole, lambda _line: None), expected, atol=1e-6)
        with torch.no_grad():
            entropy = towers.entropy(domain, whole)
            torch.testing.assert_close(entropy, towers.entropy(domain, cut))
    finally:
        del towers.max_history
    if max_history < 4:
        assert np.abs(towers.score(domain, whole, lambda _line: None) - expected).max() > 1e-5


def test_model_entropy_is_that_of_its_own_scores(towers: TowerLanguageModel) -> None:
    domain = planted_groups(n_users=20)
    queries = queries_of([[0, 1, 2], [5]], [list(range(20, 50)), list(range(30, 60))])
    scores = torch.from_numpy(towers.score(domain, queries, lambda _line: None))
    with torch.no_grad():
        entropy = towers.entropy(domain, queries)
        fitted = towers.entropy(domain, queries, temperature=0.13)
    torch.testing.assert_close(entropy, softmax_entropy(scores / TEMPERATURE).mean(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fitted, softmax_entropy(scores / 0.13).mean(), rtol=1e-4, atol=1e-4)


def ndcg_at_one(towers: TowerLanguageModel, domain: Domain, recipe: LoraRecipe, folder: Path) -> tuple[float, float]:
    """Return NDCG@1 on the domain's warm test queries before and after training on its training part."""
    task = prepare_task(domain, ProtocolSpec("toy"), ArtifactStore(folder))

    def measure() -> float:
        scores = towers.score(task.training, task.test.queries, lambda _line: None)
        return float(per_user(rank_positive(scores, task.test.answers.positive_column), Metric("ndcg", 1)).mean())

    untrained = measure()
    adapter, _ = trained(towers, [task.training], recipe)
    with folded(towers.model, adapter):
        return untrained, measure()


@needs_minilm
@pytest.mark.slow
def test_an_adapter_learns_planted_groups_and_falls_to_chance_on_shuffled_histories(tmp_path: Path) -> None:
    recipe = LoraRecipe(learning_rate=3e-3, epochs=10, batch_size=32)
    brief = dataclasses.replace(recipe, epochs=3)
    towers = TowerLanguageModel(resolve_backbone("minilm"))
    untrained, adapted = ndcg_at_one(towers, planted_groups(240, group_size=4), recipe, tmp_path)
    _, shuffled = ndcg_at_one(towers, planted_groups(240, shuffled=True), brief, tmp_path)
    level = chance(Metric("ndcg", 1))
    assert untrained < 0.5
    assert adapted >= 0.9
    assert shuffled <= level + 3 * math.sqrt(level * (1 - level) / 240)


def test_the_nouns_are_sixty_distinct_words() -> None:
    assert len(set(NOUNS)) == len(NOUNS) == 60
