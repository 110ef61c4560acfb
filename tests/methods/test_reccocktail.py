from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.methods.reccocktail import GeneralOnly, RecCocktail, SpecificOnly, WeightAverage

from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.lm.decoders.causal import CausalLanguageModel
from bench.plugin import Task
from bench.protocol.task import PreparedTask, prepare_task
from bench.registry import registry
from bench.runs.params import build_params, named_params
from bench.spec import ProtocolSpec
from tests.support.text_toys import planted_groups

SMALL = {"rank": 4, "alpha": 8, "batch_size": 32, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedTask:
    domain = planted_groups(40, name="target")
    return prepare_task(domain, ProtocolSpec("target"), ArtifactStore(tmp_path_factory.mktemp("candidates")))


@pytest.fixture(scope="module")
def make_task(prepared, wide_encoder_folder, tmp_path_factory) -> Callable[..., Task]:
    store = ArtifactStore(tmp_path_factory.mktemp("artifacts"))

    def make(backbone: Path = wide_encoder_folder, **changes: Any) -> Task:
        facts: dict[str, Any] = {
            "target": prepared.training,
            "validation": prepared.validation.queries,
            "validation_answers": prepared.validation.answers,
            "setting": "warm",
            "seed": 0,
            "artifacts": store,
            "sources": (planted_groups(40, seed=3, name="one"), planted_groups(40, seed=4, name="two")),
            "backbone": str(backbone),
        }
        return Task(**{**facts, **changes})

    return make


def fitted(recommender_class: type, task: Task, **params: Any) -> Any:
    names = set(recommender_class.Params.__dataclass_fields__)
    given = {key: value for key, value in {**SMALL, **params}.items() if key in names}
    recommender = recommender_class(build_params("reccocktail", recommender_class.Params, given))
    recommender.fit(task)
    return recommender


def test_the_variants_share_both_adapters(make_task) -> None:
    task = make_task()
    full, average = fitted(RecCocktail, task), fitted(WeightAverage, task)
    general, specific = fitted(GeneralOnly, task), fitted(SpecificOnly, task)
    assert full.facts["general"].id == average.facts["general"].id == general.facts["general"].id
    assert full.facts["specific"].id == average.facts["specific"].id == specific.facts["specific"].id
    assert len(list((task.artifacts.root / "adapters").iterdir())) == 2


@pytest.mark.parametrize("space", ["factor", "delta"])
def test_all_weight_on_one_adapter_scores_as_that_adapter_alone(make_task, prepared, space, monkeypatch) -> None:
    import torch

    task, queries = make_task(), prepared.test.queries
    for weights, alone in (([1.0, 0.0], GeneralOnly), ([0.0, 1.0], SpecificOnly)):
        merged = fitted(WeightAverage, task, space=space)
        monkeypatch.setattr(merged, "choose_weights", lambda _queries, weights=weights: torch.tensor(weights))
        expected = fitted(alone, task).score(queries)
        np.testing.assert_allclose(merged.score(queries), expected, rtol=0, atol=1e-6)


def test_the_general_adapter_learns_from_the_sources_alone(make_task) -> None:
    assert sorted(fitted(GeneralOnly, make_task()).facts["general"].domains) == ["one", "two"]
    assert fitted(SpecificOnly, make_task()).facts["specific"].domains == ("target",)


def test_it_reports_weights_curve_and_space(make_task, prepared) -> None:
    cocktail = fitted(RecCocktail, make_task(), search="adam", n_prompts=10, prompts_a_step=5, passes=3)
    cocktail.score(prepared.test.queries)
    report = cocktail.report()
    assert report.extra["merge_space"] == "factor"
    assert report.merge.weights["general"] + report.merge.weights["specific"] == pytest.approx(1.0)
    assert report.merge.chosen == report.merge.weights["specific"]
    assert len(report.merge.entropy) == 3
    assert len(report.merge.path) == 6
    assert len(report.merge.entropy_by_weight) == 21
    assert report.merge.entropy_range_nats >= 0
    assert report.extra["weights_found_by"] == "adam"
    assert registry().entry("reccocktail").transductive


def test_two_weights_are_the_best_of_the_grid_and_those_of_layers_are_learned(make_task, prepared) -> None:
    by_grid = fitted(RecCocktail, make_task(), n_prompts=10)
    by_grid.score(prepared.test.queries)
    report = by_grid.report()
    by_weight = dict(report.merge.entropy_by_weight)
    assert by_weight[report.merge.chosen] == pytest.approx(min(by_weight.values()), abs=2e-5)
    assert report.merge.weights["specific"] == pytest.approx(report.merge.chosen)
    assert report.merge.path == ()
    assert report.extra["weights_found_by"] == "grid"
    by_layer = fitted(RecCocktail, make_task(), granularity="per_module", n_prompts=4, prompts_a_step=4, passes=1)
    by_layer.score(prepared.test.queries)
    assert by_layer.weights.shape == (len(by_layer.used.factors), 2)
    assert by_layer.report().extra["weights_found_by"] == "adam"


def test_calibrated_adapters_are_compared_at_their_temperatures(make_task, prepared) -> None:
    cocktail = fitted(RecCocktail, make_task(), n_prompts=10)
    curves = []
    for temperature in (0.1, 1.0):
        cocktail.trained = {role: replace(one, temperature=temperature) for role, one in cocktail.trained.items()}
        cocktail.score(prepared.test.queries)
        curves.append([entropy for _, entropy in cocktail.report().merge.entropy_by_weight])
    assert np.less(*curves).all()


def test_the_tokens_that_count_reach_a_decoder_s_entropy(make_task, prepared, pico_folder: Path, monkeypatch) -> None:
    asked = []
    answer_entropy = CausalLanguageModel.answer_entropy

    def noted(self, prompts, k, *arguments, **options):
        asked.append(k)
        return answer_entropy(self, prompts, k, *arguments, **options)

    monkeypatch.setattr(CausalLanguageModel, "answer_entropy", noted)
    small = {"n_prompts": 2, "prompts_a_step": 2, "max_examples": 16, "batch_size": 8}
    fitted(RecCocktail, make_task(pico_folder), entropy_tokens=5, **small).score(prepared.test.sample(2, 0).queries)
    assert set(asked) == {5}


def test_permuting_candidates_permutes_its_scores(make_task, prepared) -> None:
    import dataclasses

    queries = prepared.test.queries
    order = np.random.default_rng(0).permutation(30)
    permuted = dataclasses.replace(queries, candidates=queries.candidates[:, order])
    recommender = fitted(RecCocktail, make_task(), n_prompts=10, passes=2)
    np.testing.assert_allclose(recommender.score(permuted), recommender.score(queries)[:, order], atol=1e-5)


def test_a_second_fit_finds_the_adapters_and_scores_the_same(make_task, prepared) -> None:
    first = fitted(WeightAverage, make_task()).score(prepared.test.queries)
    again = fitted(WeightAverage, make_task()).score(prepared.test.queries)
    np.testing.assert_array_equal(first, again)


def test_it_runs_on_a_causal_backbone_too(make_task, prepared, pico_folder: Path) -> None:
    task = make_task(pico_folder)
    few = prepared.test.sample(6, 0).queries
    cocktail = fitted(RecCocktail, task, n_prompts=4, prompts_a_step=2, passes=1, max_examples=16, batch_size=8)
    scores = cocktail.score(few)
    assert scores.shape == (6, 30)
    assert np.isfinite(scores).all()


def test_no_sources_is_an_error_that_says_what_to_give(make_task) -> None:
    with pytest.raises(BenchError, match="give --source-datasets"):
        fitted(GeneralOnly, make_task(sources=()))


def test_a_grid_over_the_weights_of_each_layer_is_refused() -> None:
    with pytest.raises(BenchError, match="granularity=per_module needs search=adam"):
        build_params("reccocktail", RecCocktail.Params, {"search": "grid", "granularity": "per_module"})


def test_the_tokens_that_count_do_not_change_the_id_of_a_run_at_their_default() -> None:
    assert "entropy_tokens" not in named_params(RecCocktail.Params())
    assert named_params(RecCocktail.Params(entropy_tokens=5))["entropy_tokens"] == 5


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("granularity", "gobal", "'granularity' of 'reccocktail' must be global or per_module, not 'gobal'"),
        ("search", "gird", "'search' of 'reccocktail' must be auto or grid or adam, not 'gird'"),
        ("entropy_tokens", 0, "'entropy_tokens' of 'reccocktail' must be at least 1, not 0"),
        ("space", "average", "'space' of 'reccocktail' must be factor or delta, not 'average'"),
    ],
)
def test_an_unknown_value_is_refused_with_the_ones_that_exist(key: str, value: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        build_params("reccocktail", RecCocktail.Params, {key: value})
