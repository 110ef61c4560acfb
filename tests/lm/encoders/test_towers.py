from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.domain import Domain
from bench.files.store import ArtefactStore
from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.backbones import local_backbone, packaged_minilm, resolve_backbone
from bench.lm.encoders.towers import (
    RECENCY_DECAY,
    TEMPERATURE,
    TowerLanguageModel,
    padded_histories,
    sequence_loss,
    tower_batch,
    tower_scores,
)
from bench.metrics import Metric, chance, per_user, rank_positive
from bench.plugin import Queries
from bench.protocol.task import prepare_task
from bench.spec import ProtocolSpec
from tests.support.adapter_training import trained
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
    tokens = towers.encoder.tokenise(["apple", "anchor bridge candle desert engine feather garden"])
    with torch.no_grad():
        alone = towers.encoder.encode(tokens[:1])
        beside = towers.encoder.encode(tokens)
    torch.testing.assert_close(alone[0], beside[0], rtol=1e-5, atol=1e-6)


def test_an_untitled_item_has_a_zero_vector(towers: TowerLanguageModel) -> None:
    domain = domain_of([[0, 1]], ["apple", ""])
    with torch.no_grad():
        norms = towers.item_vectors(domain, np.array([0, 1])).norm(dim=1)
    torch.testing.assert_close(norms, torch.tensor([1.0, 0.0]))


def test_equal_scores_lose_the_logarithm_of_thirty() -> None:
    vectors = torch.ones(31, 4) / 2
    loss = sequence_loss(vectors, torch.tensor([[0, 1]]), torch.arange(2, 31), torch.ones(1, 29, dtype=torch.bool))
    assert loss.item() == pytest.approx(math.log(30), abs=1e-5)


def test_all_positions_at_once_lose_the_same_as_one_prefix_at_a_time() -> None:
    vectors = torch.from_numpy(unit_vectors(12))
    sequence, negatives, allowed = [0, 1, 2, 3], torch.tensor([8, 9, 10]), torch.tensor([[True, False, True]])
    together = sequence_loss(vectors, torch.tensor([[*sequence, -1]]), negatives, allowed)
    losses = []
    for place in range(1, len(sequence)):
        weights = torch.tensor([RECENCY_DECAY ** (place - 1 - step) for step in range(place)])
        history = torch.nn.functional.normalize((weights[:, None] * vectors[sequence[:place]]).sum(0), dim=0)
        logits = vectors[[sequence[place], 8, 10]] @ history / TEMPERATURE
        losses.append(logits.logsumexp(0) - logits[0])
    torch.testing.assert_close(together, torch.stack(losses).mean())


def test_a_batch_encodes_each_title_once_and_draws_only_trained_negatives() -> None:
    domain = planted_groups(n_users=20)
    trained = np.arange(0, 60, 2)
    batch = tower_batch(domain, np.arange(4), trained, 20, np.random.default_rng(0))
    assert len(np.unique(batch.items)) == len(batch.items)
    assert set(batch.items[batch.negatives]) <= set(trained.tolist())
    for row in range(4):
        sequence = batch.sequences[row][batch.sequences[row] >= 0]
        assert batch.items[sequence].tolist() == domain.history(row).tolist()
        untouched = ~np.isin(batch.items[batch.negatives], domain.history(row))
        assert batch.allowed[row].tolist() == untouched.tolist()


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
    task = prepare_task(domain, ProtocolSpec("toy"), ArtefactStore(folder))

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
    untrained, trained = ndcg_at_one(towers, planted_groups(240, group_size=4), recipe, tmp_path)
    _, shuffled = ndcg_at_one(towers, planted_groups(240, shuffled=True), brief, tmp_path)
    level = chance(Metric("ndcg", 1))
    assert untrained < 0.5
    assert trained >= 0.9
    assert shuffled <= level + 3 * math.sqrt(level * (1 - level) / 240)


def test_the_nouns_are_sixty_distinct_words() -> None:
    assert len(set(NOUNS)) == len(NOUNS) == 60
