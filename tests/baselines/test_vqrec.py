from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.transferable.codes import fitted_centroids, nearest_centroids, stored_codes
from bench.baselines.transferable.model import Batch, SequenceEncoder, mixed
from bench.baselines.vqrec import SLOTS, Permutation, VQRec, VQRecModel, VQRecParams, sinkhorn, table_rows

from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.metrics import Metric, chance
from bench.plugin import Task
from bench.registry import registry
from tests.support.recbole_toy import ndcg_at_1
from tests.support.transferable_toy import N_ITEMS, cold_twins, planted_titles, source

BLOCKS = 16
QUICK = {
    "dimensions": 32,
    "inner_dimensions": 32,
    "dropout": 0.1,
    "max_length": 12,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "epochs": 8,
    "pretrain_epochs": 3,
    "pretrain_batch_size": 128,
    "pretrain_learning_rate": 5e-3,
    "code_blocks": BLOCKS,
    "rotation_rounds": 3,
    "permutation_epochs": 1,
}
UNTRAINED = {**QUICK, "epochs": 0, "pretrain_epochs": 0}


def fitted(task: Task, **params: object) -> VQRec:
    recommender = VQRec(VQRec.Params(**{**QUICK, **params}))
    recommender.fit(task)
    return recommender


def tiny_model(**params: object) -> VQRecModel:
    chosen = VQRecParams(dimensions=16, **params)
    model = VQRecModel(chosen, SequenceEncoder(16, 32, 1, 2, dropout=0.0, max_length=12))
    model.read(np.random.default_rng(0).integers(0, 256, (N_ITEMS, chosen.code_blocks)), 256)
    return model


def some_vectors(n: int, dimensions: int = 32) -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((n, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "params",
    [{"permutation": "straight-through"}, {"permutation": "random"}, {"permutation": "none", "frozen_encoder": True}],
)
def test_the_successor_of_each_title_is_learned(
    tmp_path: Path, pico_encoder_folder: Path, params: dict[str, object]
) -> None:
    task, queries, answers = planted_titles(tmp_path, pico_encoder_folder)
    assert ndcg_at_1(fitted(task, **params), queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = planted_titles(tmp_path, pico_encoder_folder, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    recommender = fitted(task, pretrain_epochs=0, epochs=4)
    assert ndcg_at_1(recommender, queries, answers) == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_a_cold_item_is_scored_by_the_codes_of_its_title(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = cold_twins(tmp_path, pico_encoder_folder)
    recommender = fitted(task, pretrain_epochs=0)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    assert ndcg_at_1(recommender, queries, answers) > by_chance + 5 * standard_error


def test_permuted_candidates_have_permuted_scores(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    recommender = fitted(task, **UNTRAINED)
    order = np.random.default_rng(0).permutation(30)
    permuted = recommender.score(replace(queries, candidates=queries.candidates[:, order]))
    np.testing.assert_allclose(permuted, recommender.score(queries)[:, order], rtol=1e-5, atol=1e-6)


def test_a_stored_model_and_a_second_training_score_the_same(tmp_path: Path, pico_encoder_folder: Path) -> None:
    params = {"epochs": 2, "pretrain_epochs": 1}
    scores = []
    for folder in ("one", "one", "other"):
        task, queries, _ = planted_titles(tmp_path / folder, pico_encoder_folder, n_users=30)
        scores.append(fitted(task, **params).score(queries))
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


def test_another_target_and_another_permutation_share_the_pre_training(
    tmp_path: Path, pico_encoder_folder: Path
) -> None:
    short = {"epochs": 1, "pretrain_epochs": 1, "permutation": "none"}
    for n_users, params in ((20, {}), (30, {}), (20, {"permutation": "random"})):
        fitted(planted_titles(tmp_path, pico_encoder_folder, n_users=n_users)[0], **{**short, **params})
    assert len(list((tmp_path / "pretrained").glob("*/made.json"))) == 1
    assert len(list((tmp_path / "models").glob("*/made.json"))) == 3


def test_items_have_a_code_of_each_block_and_never_the_padding(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder)
    codes = fitted(task, **UNTRAINED).model.codes.numpy()
    assert codes.shape == (N_ITEMS, BLOCKS)
    block, slot = np.divmod(codes, SLOTS)
    assert (block == np.arange(BLOCKS)).all()
    assert slot.min() >= 1
    assert len(np.unique(codes, axis=0)) > N_ITEMS / 2


def test_equal_titles_have_equal_vectors(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder)
    titles = task.target.titles
    task = replace(task, target=replace(task.target, titles=(*titles[:-1], titles[5])))
    model = fitted(task, **UNTRAINED).model
    vectors = model.vectors_of(np.arange(N_ITEMS))
    assert torch.equal(vectors[5], vectors[-1])
    assert not torch.equal(vectors[5], vectors[6])


def test_an_item_is_the_mean_of_its_codes_vectors() -> None:
    model = tiny_model()
    expected = model.table.weight[model.codes[7]].mean(dim=0)
    torch.testing.assert_close(model.vectors_of(np.array([7]))[0], expected)


def test_the_published_table_has_8224_rows_of_300() -> None:
    assert VQRecModel(VQRecParams(dimensions=300), SequenceEncoder(300, 256, 1, 2, 0.5, 50)).table.weight.shape == (
        8224,
        300,
    )
    assert Permutation(32, 0.7, 3).scores.numel() == 2_113_568
    assert table_rows(np.array([[0, 255]])).tolist() == [[1, 257 + 256]]


@pytest.mark.parametrize(("share", "replaced"), [(0.0, 0.0), (0.75, 0.75 * 255 / 256), (1.0, 255 / 256)])
def test_a_synthetic_negative_replaces_a_share_of_the_codes_within_their_blocks(share: float, replaced: float) -> None:
    model = tiny_model(synthetic_share=share)
    items = torch.arange(N_ITEMS)
    synthetic = model.synthetic(items)
    assert (synthetic != model.codes).float().mean().item() == pytest.approx(replaced, abs=0.03)
    assert (synthetic // SLOTS == torch.arange(32)).all()
    assert (synthetic % SLOTS).min() >= 1


def test_a_synthetic_negative_that_is_the_positive_is_one_more_equal_logit() -> None:
    sequences = mixed([source(10, "toy")], max_length=12)
    batch = Batch.of(sequences, np.arange(1))
    model = tiny_model(synthetic_share=0.0).eval()
    loss = model.pretraining_loss(batch, np.random.default_rng(0))
    # One user: no other item of the batch is a negative, and the synthetic one is the positive itself.
    assert loss.item() == pytest.approx(math.log(2), abs=1e-5)


def test_rows_of_a_permutation_have_one_one_and_padding_keeps_its_place() -> None:
    assignment = Permutation(2, 0.7, 3)(noisy=True)
    assert torch.equal(assignment.detach().round().sum(dim=2), torch.ones(2, SLOTS))
    torch.testing.assert_close(assignment.max(dim=2).values, torch.ones(2, SLOTS))
    assert torch.equal(assignment[:, 0].detach().argmax(dim=1), torch.zeros(2, dtype=torch.int64))
    assert (assignment[:, 1:].argmax(dim=2) > 0).all()


def test_a_permutation_has_a_gradient() -> None:
    permutation = Permutation(2, 0.7, 3)
    (permutation(noisy=False) @ torch.randn(2, SLOTS, 4)).square().sum().backward()
    assert permutation.scores.grad.isfinite().all()
    assert permutation.scores.grad[:, 1:, 1:].abs().min(dim=2).values.max() > 0


def test_the_identity_leaves_the_table_as_it_is() -> None:
    model = tiny_model(code_blocks=4)
    torch.testing.assert_close(model.permuted(torch.eye(SLOTS).expand(4, -1, -1)), model.table.weight, rtol=0, atol=0)


def test_sinkhorn_balances_rows_and_columns() -> None:
    torch.manual_seed(0)
    scores = torch.randn(3, SLOTS, SLOTS) / 0.7
    off = []
    for rounds in (3, 50):
        balanced = sinkhorn(scores, rounds)
        torch.testing.assert_close(balanced.sum(dim=1), torch.ones(3, SLOTS), rtol=0, atol=1e-4)
        off.append((balanced.sum(dim=2) - 1).abs().max().item())
    assert off[0] < 1e-2
    assert off[1] < 1e-4


def test_no_permutation_leaves_the_pre_trained_table_and_a_random_one_moves_its_rows(
    tmp_path: Path, pico_encoder_folder: Path
) -> None:
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    short = {"epochs": 0, "pretrain_epochs": 1}
    none, drawn, learned = (
        fitted(task, **short, permutation=each).model.table.weight.detach().view(BLOCKS, SLOTS, -1)
        for each in ("none", "random", "straight-through")
    )
    for moved in (drawn, learned):
        assert torch.equal(moved[:, 0], none[:, 0])
        assert not torch.isclose(moved[:, 1:], none[:, 1:]).all(dim=2).float().mean() > 0.1
        assert (torch.cdist(moved[0], none[0]).min(dim=1).values < 1e-3).all()


def test_learning_a_permutation_changes_neither_table_nor_encoder(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    before, after = (
        fitted(task, epochs=0, pretrain_epochs=1, permutation=each).model for each in ("none", "straight-through")
    )
    assert torch.equal(before.encoder.positions.weight, after.encoder.positions.weight)
    assert all(weights.requires_grad for weights in after.parameters())


def test_codes_are_the_same_for_a_seed_and_kept(tmp_path: Path) -> None:
    vectors, trained = some_vectors(300), np.arange(300) < 280
    first, n_centroids = stored_codes(ArtifactStore(tmp_path / "one"), vectors, trained, 8, 2, seed=0)
    again, _ = stored_codes(ArtifactStore(tmp_path / "other"), vectors, trained, 8, 2, seed=0)
    np.testing.assert_array_equal(first, again)
    assert (first.shape, n_centroids) == ((300, 8), 256)
    other, _ = stored_codes(ArtifactStore(tmp_path / "one"), vectors, trained, 8, 2, seed=1)
    assert (first != other).any()
    assert len(list((tmp_path / "one" / "item-codes").iterdir())) == 2


def test_centroids_know_nothing_of_items_that_nobody_touched(tmp_path: Path) -> None:
    vectors, trained = some_vectors(300), np.arange(300) < 280
    changed = vectors.copy()
    changed[280:] = changed[280:][::-1]
    stores = ArtifactStore(tmp_path)
    one, other = (stored_codes(stores, each, trained, 8, 2, seed=0)[0] for each in (vectors, changed))
    np.testing.assert_array_equal(one[:280], other[:280])
    np.testing.assert_array_equal(one[280:], other[280:][::-1])


@pytest.mark.parametrize(("n_vectors", "n_centroids"), [(40, 32), (64, 64), (260, 256)])
def test_small_catalogues_have_fewer_centroids(n_vectors: int, n_centroids: int) -> None:
    rotation, centroids = fitted_centroids(some_vectors(n_vectors), blocks=8, rounds=2, seed=0)
    assert centroids.shape == (8, n_centroids, 4)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(32), atol=1e-4)


def test_the_nearest_centroid_of_each_block_is_found() -> None:
    vectors = some_vectors(100)
    rotation, centroids = fitted_centroids(vectors, blocks=8, rounds=2, seed=0)
    codes = nearest_centroids(vectors, rotation, centroids)
    parts = (vectors @ rotation.T).reshape(100, 8, 1, 4)
    expected = ((parts - centroids[None]) ** 2).sum(-1).argmin(-1)
    np.testing.assert_array_equal(codes, expected)


def test_blocks_must_divide_the_title_vectors(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    with pytest.raises(BenchError, match="'code_blocks' of 'vqrec' must divide the title vectors' 32 dimensions"):
        fitted(task, **{**UNTRAINED, "code_blocks": 7})


def test_without_faiss_it_says_how_to_get_it(
    tmp_path: Path, pico_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    task, _, _ = planted_titles(tmp_path, pico_encoder_folder, n_users=20)
    with pytest.raises(BenchError, match=r"\(faiss cannot be found\): pip install 'llmrec-bench\[vqrec\]'"):
        fitted(task, **UNTRAINED)


def test_faiss_and_torch_share_a_process_without_warnings() -> None:
    code = (
        "import torch, faiss, numpy\n"
        "torch.set_num_threads(2); faiss.omp_set_num_threads(2)\n"
        "quantizer = faiss.ProductQuantizer(32, 8, 4)\n"
        "points = numpy.random.default_rng(0).random((1000, 32), dtype=numpy.float32)\n"
        "for _ in range(2):\n"
        "    quantizer.train(points)\n"
        "    vectors = torch.randn(200, 200, requires_grad=True)\n"
        "    (vectors @ vectors).sum().backward()\n"
    )
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "OMP" not in done.stderr


def test_it_is_registered_with_what_it_needs() -> None:
    entry = registry().entry("vqrec")
    assert registry().recommender("vqrec") is VQRec
    assert entry.family == "transferable"
    assert entry.needs_titles
    assert entry.needs_sources
    assert entry.needs_backbone
