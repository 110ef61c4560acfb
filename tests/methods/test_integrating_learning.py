"""Readers of pairs learn what a planted target teaches, and nothing where there is nothing to learn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bench.metrics import Metric, chance, per_user, rank_positive
from bench.plugin import Task
from tests.support.pair_toys import fitted, marked_domain, marked_queries, pair_task, turned_domain

THOROUGH: dict[str, dict[str, int]] = {"meteora": {"target_epochs": 3}, "pooler-scorer": {"target_epochs": 6}}


@pytest.fixture(scope="module")
def task(pico_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Task:
    """One artifact store for all tests, so that the sources' adapters are trained once; all users are asked."""
    target = turned_domain()
    queries, answers = marked_queries(target, seed=5)
    asked = {"validation": queries, "validation_answers": answers}
    return pair_task(tmp_path_factory.mktemp("artifacts"), pico_encoder_folder, target, **asked)


def ndcg_at_1(recommender: Any, queries: Any, answers: Any) -> float:
    ranks = rank_positive(recommender.score(queries), answers.positive_column)
    return float(per_user(ranks, Metric("ndcg", 1)).mean())


@pytest.mark.parametrize("method", ["lora", "pooler-scorer", "xlora", "meteora", "xcross"])
def test_the_target_is_learned(method: str, task: Task) -> None:
    queries, answers = marked_queries(task.target)
    assert ndcg_at_1(fitted(method, task, **THOROUGH.get(method, {})), queries, answers) >= 0.9


def test_source_lora_does_not_learn_the_target(task: Task) -> None:
    queries, answers = marked_queries(task.target)
    assert ndcg_at_1(fitted("source-lora", task), queries, answers) <= 0.1


@pytest.mark.parametrize("method", ["lora", "xcross"])
def test_shuffled_labels_are_scored_at_chance(method: str, task: Task, pico_encoder_folder: Path) -> None:
    target = marked_domain("apple", 96, shuffled=True, seed=8)
    shuffled = pair_task(task.artifacts.root, pico_encoder_folder, target, shuffled=True)
    queries, answers = marked_queries(target, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    quick = {"target_epochs": 1} if method == "xcross" else {"epochs": 1}
    found = ndcg_at_1(fitted(method, shuffled, **quick), queries, answers)
    assert abs(found - by_chance) <= 3.5 * standard_error
