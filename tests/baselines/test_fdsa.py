from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines import fdsa
from bench.baselines.fdsa import FDSA
from bench.baselines.recbole_models.shortcuts import vectors_of_all_positions
from bench.baselines.sasrec import SASRec

from bench.data.domain import Domain
from bench.metrics import Metric, chance
from bench.plugin import Queries, Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_successors, queries_of, task_of

QUICK: dict[str, Any] = {"batch_size": 16, "learning_rate": 5e-3, "dropout": 0.2, "max_length": 12, "epochs": 3}
VECTOR_LENGTH = 24


@pytest.fixture(autouse=True)
def made_up_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A title's vector is drawn from its text, without an encoder."""

    def of_domain(domain: Domain, *_: Any) -> np.ndarray:
        drawn = [np.random.default_rng(list(title.encode())).normal(size=VECTOR_LENGTH) for title in domain.titles]
        vectors = np.array(drawn, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    monkeypatch.setattr(fdsa, "task_backbone", lambda _task: None)
    monkeypatch.setattr(fdsa, "title_vectors", of_domain)


def trained(task: Task, **params: object) -> FDSA:
    recommender = FDSA(FDSA.Params(**{**QUICK, **params}))
    recommender.fit(task)
    recommender.model.eval()
    return recommender


def untrained(task: Task, **params: object) -> FDSA:
    return trained(task, epochs=0, **params)


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Task, Queries]:
    task, queries, _ = planted_successors(tmp_path, n_users=20)
    return task, queries


def test_the_successor_of_each_item_is_learned(tmp_path: Path) -> None:
    task, queries, answers = planted_successors(tmp_path)
    assert ndcg_at_1(trained(task), queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path) -> None:
    task, queries, answers = planted_successors(tmp_path, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    assert ndcg_at_1(trained(task), queries, answers) == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_without_the_titles_half_of_the_joint_map_it_is_sasrec(planted: tuple[Task, Queries]) -> None:
    task, queries = planted
    ours, theirs = untrained(task), SASRec(SASRec.Params(**{**QUICK, "epochs": 0}))
    theirs.fit(task)
    state = ours.model.state_dict()
    theirs.model.load_state_dict({name: state[name] for name in theirs.model.state_dict()})
    dimensions = ours.params.dimensions
    with torch.no_grad():
        ours.model.concat_layer.weight.copy_(torch.eye(dimensions, 2 * dimensions))
    np.testing.assert_allclose(ours.score(queries), theirs.score(queries), rtol=1e-4, atol=1e-6)


def test_permuting_the_titles_changes_the_titles_stream_alone(planted: tuple[Task, Queries]) -> None:
    task, queries = planted
    model = (recommender := untrained(task)).model
    entering: dict[str, list[torch.Tensor]] = {"trm_encoder": [], "title_encoder": []}
    for name, seen in entering.items():
        getattr(model, name).register_forward_hook(lambda _m, given, _o, seen=seen: seen.append(given[0]))
    before = recommender.score(queries)
    model.title_vectors[1:] = model.title_vectors[1:].roll(1, dims=0)
    after = recommender.score(queries)
    assert all(torch.equal(*seen) for seen in [entering["trm_encoder"]])
    assert not torch.allclose(*entering["title_encoder"])
    assert not np.allclose(before, after)
    model.concat_layer.weight.data[:, recommender.params.dimensions :] = 0
    without = recommender.score(queries)
    model.title_vectors[1:] = model.title_vectors[1:].roll(1, dims=0)
    assert np.array_equal(recommender.score(queries), without)


def test_a_later_item_changes_no_earlier_position(planted: tuple[Task, Queries]) -> None:
    model = untrained(planted[0]).model
    items = torch.arange(1, 11)[None]
    changed = items.clone()
    changed[0, 6] = 40
    before, after = (vectors_of_all_positions(model, each, torch.tensor([10])) for each in (items, changed))
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.isclose(before[:, 6:], after[:, 6:]).all(dim=-1).any()


def test_permuting_the_candidates_permutes_the_scores(planted: tuple[Task, Queries]) -> None:
    task, queries = planted
    recommender = untrained(task)
    order = np.random.default_rng(0).permutation(30)
    permuted = replace(queries, candidates=queries.candidates[:, order])
    np.testing.assert_allclose(recommender.score(permuted), recommender.score(queries)[:, order], rtol=1e-5, atol=1e-6)


def test_a_stored_model_is_read_back_and_an_equal_training_is_equal(
    planted: tuple[Task, Queries], tmp_path: Path
) -> None:
    task, queries = planted
    lines: list[str] = []
    task = replace(task, progress=lines.append)
    elsewhere = replace(task, artifacts=type(task.artifacts)(tmp_path / "elsewhere"))
    first, second, third = (trained(each, epochs=1) for each in (task, task, elsewhere))
    assert len(lines) == 2
    assert np.array_equal(first.score(queries), second.score(queries))
    assert np.array_equal(first.score(queries), third.score(queries))
    assert first.report() == second.report()


def test_other_titles_are_another_model(planted: tuple[Task, Queries]) -> None:
    task, _ = planted
    lines: list[str] = []
    task = replace(task, progress=lines.append)
    other = replace(task, target=replace(task.target, titles=tuple(reversed(task.target.titles))))
    trained(task, epochs=1)
    trained(other, epochs=1)
    assert len(lines) == 2


def test_a_cold_candidates_score_is_that_of_its_first_embedding_whatever_its_title(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    histories = [[0, 1, 2, 3], [2, 3, 4], [1, 4, 0]]
    validation = queries_of(histories, [4, 0, 2], 50, rng)
    task = task_of(domain_of(histories, 50), validation, tmp_path)
    renamed = replace(task.target, titles=(*task.target.titles[:5], *(f"new {item}" for item in range(5, 50))))
    first, after = untrained(task), trained(task)
    fresh_embedding = first.model.item_embedding.weight.detach()
    embedding = after.model.item_embedding.weight.detach()
    assert torch.equal(embedding[6:], fresh_embedding[6:])
    assert not torch.isclose(embedding[1:6], fresh_embedding[1:6]).all(dim=1).any()
    queries = validation[0]
    assert np.array_equal(after.score(queries), trained(replace(task, target=renamed)).score(queries))


def test_it_trains_every_position_and_states_its_facts(planted: tuple[Task, Queries]) -> None:
    recommender = untrained(planted[0], dimensions=32)
    report = recommender.report()
    assert report.extra["shortcuts"] == {"cuts_padding": True, "scores_by_dot": True, "trains_every_position": True}
    assert (report.extra["title_dimensions"], report.extra["n_untitled_items"]) == (VECTOR_LENGTH, 0)
    assert "initial ID embedding" in recommender.entry.cold_rule
    assert recommender.deviations()
    sasrec = SASRec(recommender.params)
    sasrec.fit(planted[0])
    encoder = sum(weights.numel() for weights in recommender.model.title_encoder.parameters())
    perceptron, joint = VECTOR_LENGTH * 32 + 32 + 32 * 32 + 32, 2 * 32 * 32 + 32
    assert report.trained_parameters == sasrec.report().trained_parameters + encoder + perceptron + joint


def test_the_300_wide_variant_runs(planted: tuple[Task, Queries]) -> None:
    task, queries = planted
    assert np.isfinite(trained(task, dimensions=300, epochs=1).score(queries)).all()


def test_titles_are_read_by_the_runs_encoder(
    planted: tuple[Task, Queries], pico_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    task, queries = planted
    task = replace(task, backbone=str(pico_encoder_folder))
    recommender = untrained(task)
    assert recommender.title_vectors.shape == (task.target.n_items, 32)
    assert np.isfinite(recommender.score(queries)).all()


def test_it_is_registered() -> None:
    found = registry().recommender("fdsa")
    assert found is FDSA
