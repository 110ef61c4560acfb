from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines.recbole_adapter import RecBole
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.dataset import DomainAsDataset, interaction
from bench.baselines.recbole_models.recommender import RecBoleRecommender
from bench.baselines.recbole_models.scoring import score_queries
from bench.baselines.recbole_models.shortcuts import abilities_of
from bench.baselines.recbole_models.zoo import FEATURE, ITEM, ITEMS, LENGTH, model_modules, params_class
from torch.nn.functional import cross_entropy

from bench.errors import BenchError
from bench.learning.cross_entropy import linear_cross_entropy
from bench.learning.sequences import (
    NegativeSampler,
    bucketed_batches,
    last_stretches,
    ordered_batches,
    prefixes,
    windows,
)
from bench.plugin import Queries, Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_blocks, planted_successors

SMALL = {"max_length": 12, "batch_size": 64, "epochs": 1}


def made(name: str, task: Task, **params: object) -> RecBoleRecommender:
    recommender = RecBole.wrapping(name)
    instance = recommender(recommender.Params(**{**SMALL, **params}))
    instance.fit(task)
    return instance


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Task, Queries]:
    task, queries, _ = planted_successors(tmp_path, n_users=40)
    return task, queries


# Names and parameters


def test_any_class_is_found_behind_the_prefix() -> None:
    assert registry().recommender("recbole:NARM").model_name == "NARM"


def test_an_unknown_class_names_its_neighbors() -> None:
    with pytest.raises(BenchError, match=r"Unknown RecBole class 'SASRek'\. Did you mean SASRec"):
        registry().recommender("recbole:SASRek")


def test_a_class_that_cannot_run_here_says_why() -> None:
    with pytest.raises(BenchError, match="KSR is not supported: it needs knowledge-graph embeddings"):
        registry().recommender("recbole:KSR")


def test_asking_for_names_and_parameters_imports_neither_recbole_nor_torch() -> None:
    code = (
        "import sys; from bench.baselines.recbole_models import zoo as zoo; names = zoo.model_modules();"
        "zoo.params_class('NARM'); assert len(names) > 60;"
        "sys.exit(bool({'recbole', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_class_has_parameters_with_recboles_defaults() -> None:
    supported = [name for name in model_modules() if name not in zoo.UNSUPPORTED]
    assert len(supported) >= 55
    for name in supported:
        assert params_class(name)().batch_size == 256
    sasrec = params_class("SASRec")()
    assert (sasrec.hidden_size, sasrec.layer_norm_eps, sasrec.loss_type) == (64, 1e-12, "CE")
    assert params_class("NARM")().dropout_probs == (0.25, 0.5)


def test_a_parameter_carries_recboles_explanation() -> None:
    fields = params_class("GRU4Rec").__dataclass_fields__
    assert fields["num_layers"].metadata["help"] == "The number of layers in GRU."


def test_importing_models_leaves_anomaly_detection_as_it_was() -> None:
    zoo.model_class("SINE")
    assert not torch.is_anomaly_enabled()


# Batches


def test_prefixes_are_all_histories_before_an_item() -> None:
    found = prefixes(domain_of([[5, 6, 7, 8], [9], [3, 4]], 10), max_length=2)
    assert found.padded(np.arange(4)).tolist() == [[6, 0], [6, 7], [7, 8], [4, 0]]
    assert found.following(np.arange(4)).tolist() == [7, 8, 9, 5]
    assert found.users.tolist() == [0, 0, 0, 2]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 9])
def test_windows_ask_for_each_item_but_the_first_once(length: int) -> None:
    cut = windows(domain_of([list(range(length)), [7, 8]], 10), max_length=3)
    rows = np.flatnonzero(cut.users == 0)
    asked = cut.padded(rows, shift=1)[cut.padded(rows) > 0] - 1 if len(rows) else np.array([])
    assert sorted(asked.tolist()) == list(range(1, length))
    assert cut.lengths.max() <= 3


def test_a_windows_targets_follow_its_inputs() -> None:
    cut = windows(domain_of([[0, 1, 2, 3, 4, 5]], 10), max_length=3)
    inputs, targets = cut.padded(np.arange(2)), cut.padded(np.arange(2), shift=1)
    assert inputs.tolist() == [[3, 4, 5], [1, 2, 0]]
    assert targets.tolist() == [[4, 5, 6], [2, 3, 0]]


def test_a_history_is_cut_to_its_last_items() -> None:
    stretches = last_stretches(np.array([0, 4, 5]), np.array([1, 2, 3, 4, 9], np.int32), np.array([0, 1]), 3)
    assert stretches.padded(np.array([0, 1])).tolist() == [[3, 4, 5], [10, 0, 0]]


@pytest.mark.parametrize("batch_size", [1, 7, 40, 500])
def test_bucketed_batches_hold_every_row_once(batch_size: int) -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 50, size=133)
    batches = list(bucketed_batches(lengths, batch_size, rng))
    assert sorted(np.concatenate(batches).tolist()) == list(range(133))
    assert max(map(len, batches)) == min(batch_size, 133)


def test_bucketed_batches_hold_rows_of_similar_length_in_random_order() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 50, size=640)
    batches = list(bucketed_batches(lengths, 32, rng))
    assert np.mean([np.ptp(lengths[batch]) for batch in batches]) < 5
    means = [lengths[batch].mean() for batch in batches]
    assert means != sorted(means)


def test_ordered_batches_of_nothing_are_none() -> None:
    assert list(ordered_batches(np.empty(0, np.int64), 8)) == []


def test_negatives_are_untouched_uniform_and_never_cold() -> None:
    histories = [[0, 2, 2], [1, 2, 3], [4, 5, 0]]
    sampler = NegativeSampler(domain_of(histories, 9))
    users = np.repeat(np.arange(3), 3000)
    drawn = sampler.draw(users, np.random.default_rng(0))
    for user, untouched in enumerate([[1, 3, 4, 5], [0, 4, 5], [1, 2, 3]]):
        items, counts = np.unique(drawn[users == user], return_counts=True)
        assert items.tolist() == untouched
        assert counts.min() > 3000 / len(untouched) * 0.85


def test_a_user_who_touched_everything_has_no_negative() -> None:
    sampler = NegativeSampler(domain_of([[0, 1, 2], [1]], 5))
    assert sampler.usable(np.array([0, 1])).tolist() == [False, True]


# The loss


def test_the_sliced_cross_entropy_and_its_gradients_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.learning.cross_entropy.LOGITS_AT_ONCE", 400)
    torch.manual_seed(0)
    hidden = torch.randn(37, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(100, 8, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(100, (37,))
    ours, plain = linear_cross_entropy(hidden, weight, targets), cross_entropy(hidden @ weight.T, targets)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-12)
    for mine, theirs in zip(
        torch.autograd.grad(2 * ours, [hidden, weight]), torch.autograd.grad(2 * plain, [hidden, weight]), strict=True
    ):
        assert torch.allclose(mine, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["SASRec", "GRU4Rec"])
def test_a_causal_model_loses_the_same_at_all_positions_as_at_one_prefix_at_a_time(
    planted: tuple[Task, Queries], name: str
) -> None:
    task, _ = planted
    recommender = made(name, task, epochs=0)
    recommender.model.eval()
    learner = recommender.learner
    sequences, examples = windows(task.target, 12), prefixes(task.target, 12)
    rows = np.arange(len(examples))
    batch = {ITEMS: examples.padded(rows), LENGTH: examples.lengths, ITEM: examples.following(rows)}
    tensors = {column: torch.from_numpy(values) for column, values in batch.items()}
    with torch.no_grad():
        at_once = learner.loss(*learner.encode(sequences, np.arange(len(sequences))), np.random.default_rng(0))
        one_at_a_time = recommender.model.calculate_loss(interaction(**tensors))
    assert at_once.item() == pytest.approx(one_at_a_time.item(), abs=1e-5)


@pytest.mark.parametrize("name", ["SASRec", "GRU4Rec", "NARM"])
def test_where_padding_is_cut_it_changes_neither_loss_nor_scores(planted: tuple[Task, Queries], name: str) -> None:
    task, queries = planted
    recommender = made(name, task, epochs=0)
    assert recommender.abilities.cuts_padding
    padded_abilities = replace(recommender.abilities, cuts_padding=False)
    cut, padded = (
        score_queries(recommender.model, each, queries, 12) for each in (recommender.abilities, padded_abilities)
    )
    np.testing.assert_allclose(cut, padded, rtol=1e-4, atol=1e-6)
    examples, rows = prefixes(task.target, 12), np.arange(30)
    losses = []
    for width in (None, 12):
        items = torch.from_numpy(examples.padded(rows, width))
        lengths, targets = torch.from_numpy(examples.lengths[rows]), torch.from_numpy(examples.following(rows))
        losses.append(recommender.model.calculate_loss(interaction(**{ITEMS: items, LENGTH: lengths, ITEM: targets})))
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-5)


def test_padding_that_enters_a_model_is_left_alone(planted: tuple[Task, Queries]) -> None:
    recommender = made("LightSANs", planted[0], epochs=0)
    assert not recommender.abilities.cuts_padding
    assert not recommender.abilities.trains_every_position
    assert recommender.learner.width == 12


def test_trying_a_model_leaves_it_as_it_was(planted: tuple[Task, Queries]) -> None:
    model = made("SASRec", planted[0], epochs=0).model
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    abilities_of(model.train(), 12)
    assert model.training
    assert all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())


# Learning and scoring


@pytest.mark.parametrize(
    ("name", "example"),
    [("GRU4Rec", "every position of a sequence"), ("NARM", "one prefix"), ("LightSANs", "one prefix")],
)
def test_sequential_classes_learn_the_successor_of_each_item(tmp_path: Path, name: str, example: str) -> None:
    task, queries, answers = planted_successors(tmp_path)
    recommender = made(name, task, epochs=10, learning_rate=1e-2, batch_size=32)
    assert recommender.report().extra["example"] == example
    assert ndcg_at_1(recommender, queries, answers) >= 0.9


@pytest.mark.parametrize("name", ["LightGCN", "MultiDAE", "NeuMF"])
def test_general_classes_recover_a_preference_for_one_of_two_blocks(tmp_path: Path, name: str) -> None:
    task, queries, answers = planted_blocks(tmp_path)
    recommender = made(name, task, epochs=12, learning_rate=1e-2, batch_size=128)
    assert ndcg_at_1(recommender, queries, answers) >= 0.9


@pytest.mark.parametrize("name", ["EASE", "Pop"])
def test_classes_without_weights_are_done_at_once(tmp_path: Path, name: str) -> None:
    task, queries, _ = planted_blocks(tmp_path)
    recommender = made(name, task)
    assert recommender.report().training.epochs == 0
    assert np.isfinite(recommender.score(queries)).all()


@pytest.mark.parametrize("name", ["SASRec", "GRU4Rec", "NARM", "HGN", "CORE", "BPR", "LightGCN", "EASE", "DIN"])
def test_permuting_the_candidates_permutes_the_scores(planted: tuple[Task, Queries], name: str) -> None:
    task, queries = planted
    recommender = made(name, task, epochs=0)
    order = np.random.default_rng(0).permutation(30)
    permuted = replace(queries, candidates=queries.candidates[:, order])
    np.testing.assert_allclose(recommender.score(permuted), recommender.score(queries)[:, order], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["SASRec", "NARM", "LightGCN"])
def test_a_stored_model_is_read_back_and_scores_the_same(planted: tuple[Task, Queries], name: str) -> None:
    task, queries = planted
    lines: list[str] = []
    task = replace(task, progress=lines.append)
    first = made(name, task, epochs=2)
    assert len(lines) == 2
    second = made(name, task, epochs=2)
    assert len(lines) == 2
    assert np.array_equal(first.score(queries), second.score(queries))
    assert first.report() == second.report()


def test_another_seed_another_parameter_or_other_data_is_another_model(planted: tuple[Task, Queries]) -> None:
    task, _ = planted
    lines: list[str] = []
    task = replace(task, progress=lines.append)
    shorter = task.target.keeping(np.arange(task.target.n_interactions) > 0)
    for changed, params in [(task, {}), (replace(task, seed=1), {}), (task, {"dropout_prob": 0.1})]:
        made("GRU4Rec", changed, **params)
    made("GRU4Rec", replace(task, target=shorter))
    assert len(lines) == 4


def test_training_twice_gives_the_same_weights(planted: tuple[Task, Queries], tmp_path: Path) -> None:
    task, queries = planted
    elsewhere = replace(task, artifacts=type(task.artifacts)(tmp_path / "elsewhere"))
    assert np.array_equal(made("NARM", task).score(queries), made("NARM", elsewhere).score(queries))


def test_the_facts_of_a_fit_are_stated(planted: tuple[Task, Queries]) -> None:
    report = made("GRU4Rec", planted[0], epochs=2).report()
    assert report.training.epochs == 2
    assert len(report.training.curves["validation_ndcg@3"]) == len(report.training.curves["losses"]) == 2
    gru_and_dense = 73_728 + 8_256
    assert report.trained_parameters == 61 * 64 + gru_and_dense
    assert report.extra["shortcuts"] == {"cuts_padding": True, "scores_by_dot": True, "trains_every_position": True}


# The domain as RecBole's dataset


def test_the_dataset_counts_the_padding() -> None:
    dataset = DomainAsDataset(domain_of([[0, 1], [2]], 5), 10, sequential=False)
    assert (dataset.num("user_id"), dataset.num("item_id"), dataset.inter_num) == (3, 6, 3)


def test_the_dataset_gives_histories_from_both_sides() -> None:
    dataset = DomainAsDataset(domain_of([[0, 1], [1]], 3), 10, sequential=False)
    assert dataset.inter_matrix("csr").toarray().tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]]
    assert dataset.history_item_matrix()[0].tolist() == [[0, 0], [1, 2], [2, 0]]
    assert dataset.history_user_matrix(max_history_len=1)[0].tolist() == [[0], [1], [1], [0]]


def test_the_dataset_gives_categories_word_by_word() -> None:
    domain = replace(domain_of([[0, 1]], 2), categories=("skin care", "care"))
    dataset = DomainAsDataset(domain, 10, sequential=True)
    assert dataset.get_item_feature()[FEATURE].tolist() == [[0, 0], [1, 2], [2, 0]]
    assert dataset.num(FEATURE) == 3


def test_a_class_that_reads_categories_says_so_where_there_are_none(planted: tuple[Task, Queries]) -> None:
    with pytest.raises(BenchError, match="has no item categories"):
        made("FDSA", planted[0])
