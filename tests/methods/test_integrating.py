"""What every method that reads pairs with source adapters must do, and what each adds to that."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.methods.meteora import LayerGates
from bench.methods.pooler_scorer import HeadAlone
from bench.methods.xlora import TokenClassifier
from torch.optim.optimizer import register_optimizer_step_post_hook

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.files.store import ArtifactStore
from bench.lm.adapters.apply import folded
from bench.lm.merging.average import merge
from bench.lm.pairs.prompts import PairBatch
from bench.plugin import Task
from tests.support.pair_toys import fitted as quickly_fitted
from tests.support.pair_toys import (
    marked_domain,
    marked_queries,
    pair_task,
    pico_pairs,
    quick_recommender,
    random_adapter,
    save_pico_deberta,
    turned_domain,
)

SOURCE_METHODS = ("source-lora", "pooler-scorer", "xlora", "meteora", "xcross")
INTEGRATING = (*SOURCE_METHODS[1:], "xcross-no-layers", "xcross-no-interactions", "xcross-no-experts")
LEARNERS = ("lora", *INTEGRATING)
SHORT = {"epochs": 1, "max_examples": 24}
SHORT_TARGET = {"target_epochs": 1, "target_examples": 12}


@pytest.fixture(scope="module")
def task(pico_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Task:
    """One artifact store for all tests, so that the sources' adapters are trained once."""
    return pair_task(tmp_path_factory.mktemp("artifacts"), pico_encoder_folder, turned_domain())


def fitted(method: str, task: Task, **params: Any) -> Any:
    """Fit with as little training as shows the behavior."""
    return quickly_fitted(method, task, **{**SHORT, **(SHORT_TARGET if method in INTEGRATING else {}), **params})


def toy_batch(language_model: Any) -> PairBatch:
    domain = marked_domain("apple")
    queries, _ = marked_queries(domain)
    return PairBatch.of(language_model.prompts.prompts(domain, queries.history(0), queries.candidates[0]), "cpu")


@pytest.mark.parametrize("method", ["lora", *SOURCE_METHODS])
def test_a_second_fit_finds_all_that_was_trained_and_scores_the_same(method: str, task: Task) -> None:
    queries, _ = marked_queries(task.target, n_queries=6)
    first = fitted(method, task)
    lines: list[str] = []
    again = fitted(method, dataclasses.replace(task, progress=lines.append))
    assert not [line for line in lines if "training" in line or "epoch" in line]
    assert np.array_equal(first.score(queries), again.score(queries))


@pytest.mark.parametrize("params", [{"title_words": 8}, {"candidates_in_prompt": False}])
def test_what_only_a_decoder_reads_is_refused(task: Task, params: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="is not a decoder, and -p title_words and -p candidates_in_prompt only apply"):
        fitted("lora", task, **params)


def test_adapters_of_the_top_layer_leave_the_other_one(task: Task) -> None:
    recommender = fitted("lora", task, adapted_layers=1)
    (adapter,) = recommender.trained.values()
    assert {name.split(".")[2] for name in adapter.factors} == {"1"}


def test_the_same_seed_gives_the_same_scores_and_another_does_not(task: Task, tmp_path: Path) -> None:
    queries, _ = marked_queries(task.target, n_queries=6)
    stores = [ArtifactStore(tmp_path / name) for name in ("one", "two")]
    first, again = (fitted("xcross", dataclasses.replace(task, artifacts=store)) for store in stores)
    other = fitted("xcross", dataclasses.replace(task, artifacts=stores[0], seed=1))
    assert np.array_equal(first.score(queries), again.score(queries))
    assert not np.allclose(first.score(queries), other.score(queries))


@pytest.mark.parametrize("method", ["lora", *SOURCE_METHODS])
def test_permuting_the_candidates_permutes_the_scores(method: str, task: Task) -> None:
    queries, _ = marked_queries(task.target, n_queries=4)
    recommender = fitted(method, task)
    order = np.random.default_rng(0).permutation(30)
    permuted = dataclasses.replace(queries, candidates=queries.candidates[:, order])
    np.testing.assert_allclose(recommender.score(permuted), recommender.score(queries)[:, order], rtol=1e-4, atol=1e-4)


def test_the_adapters_are_planned_once_for_all_methods(task: Task) -> None:
    keys = {
        method: [content_hash(spec.key()) for spec in quick_recommender(method, **SHORT).adapters(task)]
        for method in ("lora", *SOURCE_METHODS)
    }
    assert len(keys["lora"]) == 1
    assert all(keys[method] == keys["source-lora"] for method in SOURCE_METHODS)
    assert len(set(keys["source-lora"])) == 2
    made = fitted("source-lora", task)
    assert {facts.id for facts in made.facts.values()} == set(keys["source-lora"])


def test_source_lora_states_every_source_and_scores_with_the_best(task: Task) -> None:
    recommender = fitted("source-lora", task)
    queries, _ = marked_queries(task.target, n_queries=6)
    report = recommender.report()
    validated = report.extra["zero_shot_validation_ndcg@3"]
    assert set(validated) == {"one", "two"}
    assert validated[report.extra["chosen_source"]] == max(validated.values())
    expected = recommender.scores_with(recommender.trained[report.extra["chosen_source"]], queries)
    assert np.array_equal(recommender.score(queries), expected)


def test_the_best_sources_are_integrated_and_those_alone(task: Task) -> None:
    three = dataclasses.replace(task, sources=(*task.sources, marked_domain("apple", 40, name="three", seed=3)))
    recommender = fitted("xcross", three)
    report = recommender.report()
    assert set(recommender.validated) == {"one", "two", "three"}
    ranked = sorted(recommender.validated, key=lambda name: -recommender.validated[name])
    assert report.extra["chosen_sources"] == ranked[:2]
    assert fitted("pooler-scorer", three).report().extra["chosen_sources"] == ranked[:1]
    all_three = fitted("xcross", three, n_sources=3)
    assert len(all_three.report().extra["source_weights"]) == 3


@pytest.mark.parametrize("method", INTEGRATING)
def test_adapters_and_encoder_stay_as_they_are(method: str, task: Task) -> None:
    recommender = fitted(method, task)
    fresh = recommender.load(task)
    for (name, trained), weights in zip(
        recommender.language_model.model.named_parameters(), fresh.model.parameters(), strict=True
    ):
        assert torch.equal(trained, weights), name
        assert not trained.requires_grad
    experts = recommender.model._experts
    for place, source in enumerate(recommender.chosen[: experts.n_adapters]):
        for module, (a, b) in recommender.trained[source].factors.items():
            assert torch.equal(experts.a[module][place], a)
            assert torch.equal(experts.b[module][place], b)


@pytest.mark.parametrize("method", INTEGRATING)
def test_only_the_trained_part_has_gradients(method: str, task: Task) -> None:
    recommender = fitted(method, task, target_epochs=0)
    recommender.model(toy_batch(recommender.language_model)).square().sum().backward()
    assert all(weights.grad is not None for weights in recommender.model.parameters())
    assert all(weights.grad is None for weights in recommender.language_model.model.parameters())
    expected = {
        "pooler-scorer": {"head"},
        "xlora": {"head", "classifier"},
        "meteora": {"head", "gates"},
        "xcross-no-layers": {"head", "integrators", "weights"} - {"integrators"},
    }
    found = set(recommender.model.groups())
    assert found == expected.get(method, {"head", "integrators", "weights"})


def test_the_gradients_of_adapters_and_of_what_integrates_them_are_cut(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.learning.training.GRADIENT_NORM", 1e-3)
    norms = []

    def observed(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [weight.grad for group in optimizer.param_groups for weight in group["params"]]
        norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))

    watched = register_optimizer_step_post_hook(observed)
    try:
        fitted("pooler-scorer", task, target_epochs=1, target_learning_rate=3e-2)
    finally:
        watched.remove()
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-2)


def test_untrained_pooler_scorer_is_the_source_zero_shot(task: Task) -> None:
    queries, _ = marked_queries(task.target, n_queries=6)
    untrained, zero_shot = fitted("pooler-scorer", task, target_epochs=0), fitted("source-lora", task)
    np.testing.assert_allclose(untrained.score(queries), zero_shot.score(queries), rtol=1e-4, atol=1e-4)
    assert untrained.report().training.epochs == 0


@pytest.mark.parametrize("architecture", ["bert", "deberta"])
def test_unweighed_experts_are_the_average_of_updates(
    architecture: str, pico_encoder_folder: Path, tmp_path: Path
) -> None:
    folder = pico_encoder_folder if architecture == "bert" else save_pico_deberta(tmp_path, pico_encoder_folder)
    pairs = pico_pairs(folder)
    adapters = [random_adapter(pairs, seed) for seed in (1, 2)]
    batch = toy_batch(pairs)
    with torch.no_grad(), folded(pairs.model, merge(adapters, torch.full((2,), 0.5), "delta")):
        average = pairs.walk.pooled(batch)
    for integration in (TokenClassifier(pairs, adapters, layerwise=True), LayerGates(pairs, adapters, 2)):
        torch.testing.assert_close(integration.states(batch), average, rtol=1e-3, atol=1e-4)


def test_a_one_hot_weight_gives_back_one_adapter(pico_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pico_pairs(pico_encoder_folder)
    adapters = [random_adapter(pairs, seed) for seed in (1, 2, 3)]
    batch = toy_batch(pairs)
    for chosen, adapter in enumerate(adapters):
        with torch.no_grad():
            alone = HeadAlone(pairs, [adapter]).states(batch)
            classifier = TokenClassifier(pairs, adapters, layerwise=True)
            classifier.classifier.bias.copy_(200.0 * torch.eye(3)[chosen].repeat(classifier.shape[0]))
            torch.testing.assert_close(classifier.states(batch), alone, rtol=1e-4, atol=1e-4)
            gates = LayerGates(pairs, adapters, 1)
            one_hot = torch.eye(3)[chosen]
            monkeypatch.setattr(gates._experts, "weights", lambda *_, one_hot=one_hot: one_hot)
            torch.testing.assert_close(gates.states(batch), alone, rtol=1e-4, atol=1e-4)


def test_a_top_1_gate_uses_exactly_one_adapter(pico_encoder_folder: Path) -> None:
    pairs = pico_pairs(pico_encoder_folder)
    gates = LayerGates(pairs, [random_adapter(pairs, seed) for seed in (1, 2, 3)], 1)
    gates.gates.data.normal_()
    gates._experts.gates = gates.gates
    weights = gates._experts.weights(gates._experts.modules[0], torch.randn(2, 5, 32))
    assert (weights.sort(-1).values == torch.tensor([0.0, 0.0, 1.0])).all()
    gates._experts.top_k = 2
    assert ((gates._experts.weights(gates._experts.modules[0], torch.randn(2, 5, 32)) > 0).sum(-1) == 2).all()


def test_the_sizes_are_the_papers_on_an_encoder_of_its_size() -> None:
    from types import SimpleNamespace

    from bench.lm.adapters.adapter import Adapter
    from bench.lm.pairs.model import PairHead

    names = [f"encoder.layer.{layer}.attention.self.{name}" for layer in range(12) for name in ("query", "value")]
    adapter = Adapter({name: (torch.zeros(16, 768), torch.zeros(768, 16)) for name in names}, 2.0, "base", "toy")
    assert adapter.n_parameters == 589_824
    reader: Any = SimpleNamespace(device="cpu", dimension=768, head_of=lambda _adapter: PairHead(768))
    assert TokenClassifier(reader, [adapter] * 2, layerwise=True).groups()["classifier"] == 36_912
    assert TokenClassifier(reader, [adapter] * 2, layerwise=False).groups()["classifier"] == 1_538
    assert LayerGates(reader, [adapter] * 2, 2).groups()["gates"] == 36_864
    assert HeadAlone(reader, [adapter]).groups() == {"head": 591_361}


@pytest.mark.parametrize("method", LEARNERS)
def test_the_facts_of_a_fit_are_stated(method: str, task: Task) -> None:
    recommender = fitted(method, task)
    report = recommender.report()
    adapters = sum(each.n_parameters + report.extra["n_head_parameters"] for each in recommender.trained.values())
    assert report.trained_parameters == adapters + report.extra.get("parameters", 0)
    assert recommender.entry.cold_rule == "title text"
    assert recommender.deviations()
    assert report.training_prompts.n_users == task.target.n_users
    assert all(speed > 0 for speed in report.extra["adapter_examples_per_second"].values())
    if method != "lora":
        assert report.extra["parameters"] == sum(report.extra["parameters_by_part"].values())
        assert report.extra["target_examples_per_second"] > 0
        assert len(report.extra["chosen_sources"]) == (1 if method == "pooler-scorer" else 2)


def test_too_few_sources_are_refused(task: Task) -> None:
    with pytest.raises(BenchError, match="needs 2 source datasets, but got 1"):
        fitted("xcross", dataclasses.replace(task, sources=task.sources[:1]))
    with pytest.raises(BenchError, match="'n_sources' must be at least 2"):
        fitted("meteora", task, n_sources=1)


def test_a_target_without_learnable_users_is_refused(task: Task) -> None:
    with pytest.raises(BenchError, match="has no user with two training interactions"):
        fitted("lora", dataclasses.replace(task, target=marked_domain("apple", 3)), n_negatives=60)


def test_a_decoder_is_refused(task: Task, pico_folder: Path) -> None:
    with pytest.raises(BenchError, match="needs an encoder"):
        fitted("lora", dataclasses.replace(task, backbone=str(pico_folder)))


def test_no_gate_at_all_is_refused() -> None:
    with pytest.raises(BenchError, match="top_k"):
        quick_recommender("meteora", top_k=0)
