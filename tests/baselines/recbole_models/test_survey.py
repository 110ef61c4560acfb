from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.baselines.recbole_adapter import RecBole
from bench.baselines.recbole_models import zoo
from bench.baselines.recbole_models.survey import DOCUMENT, Finding, markdown, survey, try_class

from bench.metrics import Metric, chance
from tests.support.recbole_toy import ndcg_at_1, planted_blocks, planted_successors

CHANCE = chance(Metric("ndcg", 1))
AT_FIRST_SIGHT: dict[str, Any] = {"max_length": 12, "batch_size": 32, "epochs": 6, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    return {finding.name: finding for finding in survey()}


def ndcg_when_each_candidate_is_scored_by_itself(
    name: str, toy: Callable[..., Any], folder: Path, params: dict[str, Any]
) -> float:
    """Fit a class, check that scores follow their candidates, and return its NDCG@1."""
    task, queries, answers = toy(folder)
    categories = tuple(f"kind{item % 7}" for item in range(task.target.n_items))
    recommender = RecBole.wrapping(name)
    instance = recommender(recommender.Params(**{**AT_FIRST_SIGHT, **params}))
    instance.fit(replace(task, target=replace(task.target, categories=categories)))
    scores = instance.score(queries)
    assert np.isfinite(scores).all()
    order = np.random.default_rng(0).permutation(scores.shape[1])
    permuted = instance.score(replace(queries, candidates=queries.candidates[:, order]))
    np.testing.assert_allclose(permuted, scores[:, order], rtol=1e-4, atol=1e-6)
    return ndcg_at_1(instance, queries, answers)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("CORE", {"epochs": 4}),
        ("FDSA", {}),
        ("FOSSIL", {}),
        ("FPMC", {}),
        ("GRU4RecF", {}),
        ("HGN", {"epochs": 10}),
        ("HRM", {}),
        ("NARM", {}),
        ("RepeatNet", {"epochs": 3}),
        ("SASRecF", {}),
        ("SHAN", {}),
        ("SRGNN", {"epochs": 3}),
        ("STAMP", {}),
        ("TransRec", {}),
    ],
)
def test_a_sequential_class_learns_the_successor_of_each_item(
    name: str, params: dict[str, Any], tmp_path: Path
) -> None:
    assert ndcg_when_each_candidate_is_scored_by_itself(name, planted_successors, tmp_path, params) >= 0.9


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("Caser", {"epochs": 4}),
        ("GRU4RecCPR", {"epochs": 3, "reranker_CAN_NUM": 20}),
        ("LightSANs", {"epochs": 1}),
        ("NPE", {}),
        ("SINE", {}),
    ],
)
def test_a_slower_sequential_class_is_far_above_chance(name: str, params: dict[str, Any], tmp_path: Path) -> None:
    standard_error = math.sqrt(CHANCE * (1 - CHANCE) / 120)
    found = ndcg_when_each_candidate_is_scored_by_itself(name, planted_successors, tmp_path, params)
    assert found >= CHANCE + 5 * standard_error


@pytest.mark.filterwarnings("ignore:torch.sparse.SparseTensor")  # two of RecBole's files still call it
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("AsymKNN", {}),
        ("CDAE", {}),
        ("EASE", {}),
        ("GCMC", {"epochs": 2}),
        ("ItemKNN", {}),
        ("LDiffRec", {}),
        ("LightGCN", {"epochs": 2}),
        ("MacridVAE", {"epochs": 8}),
        ("MultiVAE", {}),
        ("NAIS", {"epochs": 2}),
        ("NCEPLRec", {}),
        ("NeuMF", {}),
        ("NGCF", {"epochs": 2}),
        ("SGL", {"epochs": 2}),
        ("SLIMElastic", {}),
    ],
)
def test_a_general_class_recovers_a_preference_for_one_of_two_blocks(
    name: str, params: dict[str, Any], tmp_path: Path
) -> None:
    assert ndcg_when_each_candidate_is_scored_by_itself(name, planted_blocks, tmp_path, params) >= 0.9


def test_every_class_either_runs_or_is_refused_for_a_stated_reason(findings: dict[str, Finding]) -> None:
    assert findings.keys() == zoo.model_modules().keys()
    assert {name for name, finding in findings.items() if not finding.runs} == zoo.UNSUPPORTED.keys()
    assert sum(finding.runs for finding in findings.values()) >= 56


def test_what_a_class_needs_and_allows_is_found_out(findings: dict[str, Finding]) -> None:
    assert findings["KSR"].obstacle == "it needs knowledge-graph embeddings"
    reading = {name for name, finding in findings.items() if finding.reads_categories}
    assert reading == {"FDSA", "GRU4RecF", "SASRecF"}
    at_every_position = {name for name, finding in findings.items() if finding.abilities.trains_every_position}
    assert at_every_position == {"FDSA", "GRU4Rec", "GRU4RecF", "SASRec", "SASRecF"}
    assert (findings["NeuMF"].family, findings["CDAE"].example) == ("general", "one user")


def test_the_document_agrees_with_the_code(findings: dict[str, Finding]) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == markdown(list(findings.values())), (
        "run 'python -m bench.baselines.recbole_models.survey' and commit docs/pages/methods/recbole-models.md"
    )


def test_a_class_that_fails_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "MIXINS", {})
    finding = try_class("GCMC", tmp_path)
    assert not finding.runs
    assert finding.obstacle.startswith("it fails: BenchError: RecBole's GCMC cannot be built with")
    assert "AttributeError" in finding.obstacle
