"""Which adapter is which, and that each is trained once, however often its training is killed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.lm.adapters.adapter import AdapterSpec, LoraRecipe
from bench.lm.backbones import local_backbone
from bench.lm.encoders.towers import TowerLanguageModel
from bench.lm.language_model import LanguageModel
from bench.lm.pairs.model import PairLanguageModel, PairRecipe
from bench.lm.training.library import ADAPTER_KIND, AdapterPlan, carry_out, planned_specs
from bench.plugin import AdapterReport, Answers, Queries, Task
from tests.support.adapter_toys import prepared_toy, toy_domain, toy_task
from tests.support.pair_toys import marked_domain, marked_queries

RECIPE = LoraRecipe(rank=4, alpha=8, learning_rate=4e-3, batch_size=16, epochs=2, warmup_steps=2, n_negatives=20)
PAIR_RECIPE = PairRecipe(
    rank=4, alpha=8, learning_rate=2e-2, batch_size=4, epochs=1, max_examples=24, max_tokens=64, n_negatives=5
)


@pytest.fixture(scope="module")
def asked() -> tuple[Queries, Answers]:
    return marked_queries(marked_domain("apple", 24), n_queries=8)


@pytest.fixture(scope="module")
def task(wide_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Task:
    store = ArtifactStore(tmp_path_factory.mktemp("artifacts"))
    return toy_task(prepared_toy("target", store), store, wide_encoder_folder)


def spec_of(plan: AdapterPlan, task: Task) -> AdapterSpec:
    return planned_specs(task, [plan])[-1]


def test_an_adapter_of_two_domains_has_one_spec_in_either_order(task: Task) -> None:
    first, second = toy_domain("first"), toy_domain("second")
    one_way, other_way = (spec_of(AdapterPlan(domains, RECIPE), task) for domains in ((first, second), (second, first)))
    assert one_way.key() == other_way.key()


def test_names_do_not_make_a_spec_but_data_recipe_seed_order_start_and_length_do(task: Task) -> None:
    first, second = toy_domain("first"), toy_domain("second")
    plan = AdapterPlan((first,), RECIPE)
    renamed = dataclasses.replace(first, name="another name")
    assert spec_of(dataclasses.replace(plan, domains=(renamed,)), task).key() == spec_of(plan, task).key()
    others = [
        spec_of(dataclasses.replace(plan, domains=(second,)), task),
        spec_of(dataclasses.replace(plan, recipe=dataclasses.replace(RECIPE, rank=8)), task),
        spec_of(dataclasses.replace(plan, order=1), task),
        spec_of(dataclasses.replace(plan, start=plan), task),
        spec_of(dataclasses.replace(plan, as_long_as=(plan,)), task),
        spec_of(plan, dataclasses.replace(task, seed=1)),
    ]
    keys = [spec.key() for spec in (spec_of(plan, task), *others)]
    assert all(key not in keys[:place] for place, key in enumerate(keys))


def test_what_the_recipe_leaves_open_is_in_the_spec_as_the_model_says(task: Task) -> None:
    recipe = spec_of(AdapterPlan((task.target,), LoraRecipe()), task).recipe
    assert None not in dataclasses.asdict(recipe).values()
    assert {name: getattr(recipe, name) for name in TowerLanguageModel.defaults} == TowerLanguageModel.defaults
    stated = spec_of(AdapterPlan((task.target,), LoraRecipe(epochs=3)), task).recipe
    assert stated == dataclasses.replace(recipe, epochs=3)


def test_the_queries_that_choose_its_state_make_a_spec_and_are_a_sample_of_the_stated_size(task: Task) -> None:
    whole, fewer, more = (
        spec_of(AdapterPlan((task.target,), dataclasses.replace(RECIPE, n_validation=n)), task).validation
        for n in (0, 5, 10_000)
    )
    assert whole == more != fewer
    (source,) = {spec_of(AdapterPlan((domain,), RECIPE), task).validation for domain in task.sources}
    assert source == ()


def test_a_source_s_own_queries_choose_its_adapter(task: Task, asked: tuple[Queries, Answers]) -> None:
    by_source = dataclasses.replace(task, source_validation=lambda name: asked if name == "one" else None)
    one, two = (spec_of(AdapterPlan((domain,), RECIPE), by_source) for domain in task.sources)
    both = spec_of(AdapterPlan((task.target, task.sources[0]), RECIPE), by_source)
    target = spec_of(AdapterPlan((task.target,), RECIPE), by_source)
    assert (len(one.validation), two.validation) == (1, ())
    assert set(both.validation) == {*one.validation, *target.validation}


def test_a_report_says_what_chose_the_state_and_why_training_ended(task: Task) -> None:
    towers = TowerLanguageModel(local_backbone("wide", Path(task.backbone or "")))
    adapter, report = carry_out(AdapterPlan((task.target,), RECIPE), towers, task)
    assert report.chosen_on == f"validation ndcg@3, the mean over domains of queries: {len(task.validation)} of target"
    assert report.validation[report.best_check or 0] == max(report.validation)
    assert len(report.epoch_of_check) == len(report.validation)
    assert report.ended in ("converged", "budget", "rising")
    assert adapter.temperature == report.temperature
    unasked = carry_out(AdapterPlan(task.sources[:1], RECIPE), towers, task)[1]
    assert (unasked.chosen_on, unasked.ended, unasked.temperature) == (
        "nothing: the last state is kept",
        "unknown",
        None,
    )


def test_an_adapter_as_long_as_others_takes_the_sum_of_their_steps(task: Task) -> None:
    towers = TowerLanguageModel(local_backbone("wide", Path(task.backbone or "")))
    others = tuple(AdapterPlan(domains, RECIPE) for domains in (task.sources[:1], task.sources, (task.target,)))
    n_steps = [carry_out(plan, towers, task)[1].n_steps for plan in others]
    alone = AdapterPlan((task.target,), RECIPE, start=others[0], as_long_as=others)
    assert carry_out(alone, towers, task)[1].n_steps == sum(n_steps)
    assert len(set(n_steps)) > 1


@pytest.fixture(params=["towers", "pairs"])
def training(request, wide_encoder_folder: Path, asked) -> Callable[[Path], tuple[AdapterPlan, LanguageModel, Task]]:
    """What is trained by :func:`carry_out`, in a given store: an adapter of the towers, or one of pairs."""
    backbone = local_backbone("wide", wide_encoder_folder)

    def make(folder: Path) -> tuple[AdapterPlan, LanguageModel, Task]:
        domain: Domain = marked_domain("apple", 24)
        facts: dict[str, Any] = {"validation": asked[0], "validation_answers": asked[1]}
        task = Task(domain, *facts.values(), "warm", 0, ArtifactStore(folder), backbone=str(wide_encoder_folder))
        if request.param == "towers":
            return AdapterPlan((domain,), dataclasses.replace(RECIPE, dropout=0.1)), TowerLanguageModel(backbone), task
        return AdapterPlan((domain,), PAIR_RECIPE), PairLanguageModel(backbone, "cpu", PAIR_RECIPE), task

    return make


def stored(task: Task) -> tuple[bytes, AdapterReport]:
    (folder,) = (task.artifacts.root / ADAPTER_KIND).iterdir()
    return (folder / "adapter.safetensors").read_bytes(), folder.name


def test_a_killed_training_goes_on_and_stores_the_very_bytes(training, tmp_path: Path, monkeypatch) -> None:
    """Killed at three random steps, each in a process of its own that loads the backbone anew."""
    monkeypatch.setattr("bench.learning.stepwise.SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    plan, language_model, undisturbed = training(tmp_path / "undisturbed")
    _, expected = carry_out(plan, language_model, undisturbed)
    assert expected.n_steps > 5
    kill_after = sorted(np.random.default_rng(3).choice(np.arange(1, expected.n_steps), 3, replace=False).tolist())
    n_steps = 0
    for n_taken in [*kill_after, None]:
        plan, language_model, task = training(tmp_path / "killed")
        loss = language_model.loss

        def counted(batch: Any, loss: Any = loss, n_taken: int | None = n_taken) -> torch.Tensor:
            nonlocal n_steps
            if n_steps == n_taken:
                raise KeyboardInterrupt
            n_steps += 1
            return loss(batch)

        monkeypatch.setattr(language_model, "loss", counted)
        if n_taken is None:
            _, report = carry_out(plan, language_model, task)
        else:
            with pytest.raises(KeyboardInterrupt):
                carry_out(plan, language_model, task)
            assert len(list((tmp_path / "killed" / "unfinished").rglob("*.safetensors"))) == 1
    assert n_steps == expected.n_steps  # none was taken twice
    assert stored(task) == stored(undisturbed)
    assert dataclasses.replace(report, seconds=0.0) == dataclasses.replace(expected, seconds=0.0)
    assert not list((tmp_path / "killed" / "unfinished").rglob("*.safetensors"))
