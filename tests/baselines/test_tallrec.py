from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.baselines.tallrec import TallRec, TallRecParams
from bench.baselines.zeroshot import ZeroShot
from bench.methods.reccocktail import SpecificOnly

from bench.files.hashing import content_hash
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.recommenders import recipe_of
from bench.metrics import Metric, chance
from bench.plugin import Answers, Queries, Task
from bench.registry import registry
from bench.runs.params import build_params
from tests.support.recbole_toy import ndcg_at_1, queries_of, task_of
from tests.support.text_toys import NOUNS, domain_of, planted_groups

QUICK = {"learning_rate": 4e-3, "batch_size": 16, "epochs": 12, "warmup_steps": 10}
FEW = {"learning_rate": 1e-2, "batch_size": 16, "rank": 4, "alpha": 8, "epochs": 1, "decay_share": 0.0}


def planted(
    folder: Path, backbone: Path, n_users: int = 160, *, shuffled: bool = False
) -> tuple[Task, Queries, Answers]:
    """Each user buys within one group of nouns that only the histories tie together; negatives are of other groups."""
    whole = planted_groups(n_users, shuffled=shuffled)
    histories = [[int(item) for item in whole.history(user)] for user in range(n_users)]
    rng = np.random.default_rng(1)
    hidden = [
        history if shuffled else sorted({item for other in histories[user % 6 :: 6] for item in other})
        for user, history in enumerate(histories)
    ]
    training = [history[:-2] for history in histories]
    validation = queries_of(hidden, [history[-2] for history in histories], len(NOUNS), rng)
    queries, answers = queries_of(hidden, [history[-1] for history in histories], len(NOUNS), rng)
    shown = domain_of([history[:-1] for history in histories], NOUNS)
    queries = dataclasses.replace(queries, history_indptr=shown.indptr, history_items=shown.items)
    task = task_of(domain_of(training, NOUNS), validation, folder)
    sources = (planted_groups(40, seed=3, name="one"), planted_groups(40, seed=4, name="two"))
    return dataclasses.replace(task, backbone=str(backbone), sources=sources), queries, answers


def fitted(task: Task, **params: Any) -> TallRec:
    recommender = TallRec(build_params("tallrec", TallRecParams, params))
    recommender.fit(task)
    return recommender


@pytest.fixture
def few(tmp_path: Path, pico_encoder_folder: Path) -> tuple[Task, Queries]:
    return planted(tmp_path, pico_encoder_folder, n_users=40)[:2]


def test_groups_that_only_histories_tie_together_are_learned(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = planted(tmp_path, pico_encoder_folder)
    assert ndcg_at_1(fitted(task, **QUICK), queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path, pico_encoder_folder: Path) -> None:
    task, queries, answers = planted(tmp_path, pico_encoder_folder, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    found = ndcg_at_1(fitted(task, **{**QUICK, "epochs": 4}), queries, answers)
    assert found == pytest.approx(by_chance, abs=3.5 * standard_error)


def test_the_targets_adapter_is_the_one_of_reccocktail_when_the_recipe_is_equal(few: tuple[Task, Queries]) -> None:
    task, queries = few
    mine = fitted(task, **FEW)
    theirs = SpecificOnly(LoraRecipe(**FEW))
    theirs.fit(task)
    assert len(list((task.artifacts.root / "adapters").iterdir())) == 1
    np.testing.assert_array_equal(mine.score(queries), theirs.score(queries))
    assert mine.report().adapters["toy"].domains == ("toy",)


def test_the_recipe_of_the_papers_rows_is_the_default() -> None:
    assert recipe_of(TallRecParams()) == LoraRecipe()
    assert LoraRecipe().rank == 16


def test_all_domains_are_learned_from_with_as_many_examples_of_each(few: tuple[Task, Queries]) -> None:
    adapters = fitted(few[0], domains="all", max_examples=60, **FEW).report().adapters
    ((role, adapter),) = adapters.items()
    assert role == "toy + one + two"
    assert sorted(adapter.domains) == ["one", "toy", "two"]
    assert adapter.n_examples == pytest.approx(3 * 60, abs=20)


@pytest.mark.parametrize("domains", ["target", "all"])
def test_it_trains_the_adapter_that_it_planned_without_loading_a_model(
    few: tuple[Task, Queries], domains: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, params = few[0], {"domains": domains, "max_examples": 32, **FEW}
    with monkeypatch.context() as patched:
        patched.setattr("bench.lm.encoders.text_encoder.load_encoder", lambda *_: pytest.fail("a model was loaded"))
        (planned,) = TallRec(build_params("tallrec", TallRecParams, params)).adapters(task)
    assert not task.artifacts.made(planned.kind, planned.key())
    (report,) = fitted(task, **params).facts.values()
    assert report.id == content_hash(planned.key())


def test_permuting_candidates_permutes_scores(few: tuple[Task, Queries]) -> None:
    task, queries = few
    recommender = fitted(task, **FEW)
    order = np.random.default_rng(0).permutation(30)
    permuted = dataclasses.replace(queries, candidates=queries.candidates[:, order])
    np.testing.assert_allclose(recommender.score(permuted), recommender.score(queries)[:, order], atol=1e-5)


def test_a_second_fit_finds_the_adapter_and_scores_the_same(few: tuple[Task, Queries], tmp_path: Path) -> None:
    task, queries = few
    first, again = fitted(task, **FEW).score(queries), fitted(task, **FEW).score(queries)
    np.testing.assert_array_equal(first, again)
    elsewhere = dataclasses.replace(task, artifacts=type(task.artifacts)(tmp_path / "elsewhere"))
    np.testing.assert_array_equal(fitted(elsewhere, **FEW).score(queries), first)


def test_a_cold_item_is_scored_by_its_title(few: tuple[Task, Queries]) -> None:
    task, queries = few
    warm = int(task.target.items[0])
    titles = (*task.target.titles, task.target.titles[warm])
    catalogue = domain_of([[int(i) for i in task.target.history(user)] for user in range(40)], list(titles))
    recommender = fitted(dataclasses.replace(task, target=catalogue), **FEW)
    pairs = queries.candidates.copy()
    pairs[:, 0], pairs[:, 1] = warm, len(titles) - 1
    scores = recommender.score(dataclasses.replace(queries, candidates=pairs))
    np.testing.assert_allclose(scores[:, 0], scores[:, 1], atol=1e-6)
    assert registry().entry("tallrec").cold_rule == "title text"


def test_a_decoder_is_tuned_on_the_prompt_that_the_zero_shot_row_uses(few: tuple[Task, Queries], pico_folder) -> None:
    task = dataclasses.replace(few[0], backbone=str(pico_folder))
    queries = few[1].take(np.arange(4))
    tuned = fitted(task, **{**FEW, "max_examples": 16, "batch_size": 8})
    zero = ZeroShot(ZeroShot.Params())
    zero.fit(task)
    assert tuned.report().extra["prompt_hash"] == zero.report().extra["prompt_hash"] is not None
    assert np.abs(tuned.score(queries) - zero.score(queries)).max() > 1e-4
