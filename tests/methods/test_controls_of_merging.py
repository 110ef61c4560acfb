"""The controls of merging: as many steps as all branches, a soup of the target's adapters, and a weaker adapter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.files.store import ArtifactStore
from bench.plugin import Task
from bench.protocol.task import PreparedTask
from tests.support.adapter_toys import fitted, prepared_toy, toy_recommender, toy_task


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedTask:
    return prepared_toy("target", ArtifactStore(tmp_path_factory.mktemp("candidates")))


@pytest.fixture(scope="module")
def task(prepared: PreparedTask, wide_encoder_folder: Any, tmp_path_factory: pytest.TempPathFactory) -> Task:
    return toy_task(prepared, ArtifactStore(tmp_path_factory.mktemp("artifacts")), wide_encoder_folder)


def test_equal_steps_are_those_of_all_branches_together(task: Task) -> None:
    branches = fitted("weaverec", task)
    alone = fitted("target-only-equal-steps", task)
    assert alone.facts["target"].n_steps == sum(report.n_steps for report in branches.facts.values())
    assert alone.facts["target"].domains == ("target",)
    *before, last = toy_recommender("target-only-equal-steps").adapters(task)
    assert {spec.names for spec in before} == {report.domains for report in branches.facts.values()}
    assert len(last.as_long_as) == len(before) == 3


def test_a_soup_of_one_is_the_targets_adapter(task: Task, prepared: PreparedTask) -> None:
    alone, soup = fitted("target-only", task), fitted("target-only-soup", task, n_adapters=1)
    assert soup.facts["order 0"].id == alone.facts["target"].id
    queries = prepared.test.queries
    np.testing.assert_allclose(soup.score(queries), alone.score(queries), atol=1e-5)


@pytest.mark.parametrize("space", ["factor", "delta"])
def test_a_soup_averages_as_many_adapters_as_weaverec_has_branches(
    task: Task, prepared: PreparedTask, space: str
) -> None:
    soup = fitted("target-only-soup", task, space=space)
    assert len(soup.trained) == len(fitted("weaverec", task).trained) == 3
    assert len({adapter.initialisation for adapter in soup.trained.values()}) == 1
    merged = soup.adapter_for(prepared.test.queries)
    adapters = list(soup.trained.values())
    for module, (a, _) in merged.factors.items():
        if space == "delta":
            mean = sum(adapter.delta(module) for adapter in adapters) / 3
            np.testing.assert_allclose(merged.delta(module), mean, atol=1e-5)
        else:
            np.testing.assert_allclose(a, sum(adapter.factors[module][0] for adapter in adapters) / 3, atol=1e-6)


def test_members_of_a_soup_differ_in_their_order_of_examples(task: Task) -> None:
    soup = fitted("target-only-soup", task)
    assert [spec.order for spec in soup.adapters(task)] == [0, 1, 2]
    assert len({report.losses for report in soup.facts.values()}) == 3


def test_another_order_is_that_member_of_the_soup(task: Task) -> None:
    soup, other = fitted("target-only-soup", task), fitted("target-only", task, order=1)
    assert other.facts["target"].id == soup.facts["order 1"].id
    assert other.facts["target"].id != fitted("target-only", task).facts["target"].id


def test_a_weaker_adapter_adds_that_fraction_of_its_update(task: Task, prepared: PreparedTask) -> None:
    whole, weaker = fitted("target-only", task), fitted("target-only", task, strength=0.5)
    assert weaker.facts["target"].id == whole.facts["target"].id
    queries = prepared.test.queries
    adapter, half = whole.adapter_for(queries), weaker.adapter_for(queries)
    for module in adapter.factors:
        np.testing.assert_allclose(half.delta(module), 0.5 * adapter.delta(module), atol=1e-6)
    assert np.abs(weaker.score(queries) - whole.score(queries)).max() > 1e-4
