"""Keys of trained weights: they follow whatever makes the weights, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.baselines.sasrec import SASRec

from bench.files.hashing import content_hash
from bench.learning.keys import training_key
from bench.plugin import Answers, Task
from tests.support.recbole_toy import planted_successors


@dataclass(frozen=True)
class OtherParams(SASRec.Params):
    """The same fields with another default."""

    dimensions: int = 32


class Other(SASRec):
    """A method of another name."""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return planted_successors(tmp_path, n_users=20)[0]


def key(task: Task, recommender: Any = None, **facts: Any) -> str:
    return content_hash(training_key(recommender or SASRec(SASRec.Params()), task, **facts))


@pytest.mark.parametrize(
    "change",
    [
        lambda task: key(replace(task, seed=1)),
        lambda task: key(replace(task, setting="cold")),
        lambda task: key(replace(task, target=task.target.keeping(np.arange(task.target.n_interactions) > 0))),
        lambda task: key(replace(task, validation=task.validation.take(np.arange(5)))),
        lambda task: key(replace(task, validation_answers=Answers(task.validation_answers.positive_column + 1))),
        lambda task: key(task, SASRec(SASRec.Params(dropout=0.1))),
        lambda task: key(task, Other(SASRec.Params())),
        lambda task: key(task, libraries=("recbole",)),
        lambda task: key(task, read_by=("tests.learning.test_keys",)),
        lambda task: key(task, backbone="another"),
        lambda task: key(task, knows_target=False),
    ],
)
def test_a_key_follows_whatever_makes_the_weights(task: Task, change: Callable[[Task], str]) -> None:
    assert change(task) != key(task)


def test_a_key_does_not_follow_where_things_are_kept_or_what_the_class_of_parameters_is(task: Task) -> None:
    same = replace(task, artifacts=replace(task.artifacts, root=Path("elsewhere")), progress=print)
    assert key(same, SASRec(OtherParams(dimensions=64))) == key(task)


def test_targets_share_what_knows_none_of_them(task: Task) -> None:
    other = replace(task, target=task.target.keeping(np.arange(task.target.n_interactions) > 0), setting="cold")
    assert key(other, knows_target=False) == key(task, knows_target=False)
    assert key(replace(task, seed=1), knows_target=False) != key(task, knows_target=False)


def test_only_the_parameters_that_a_training_reads_count(task: Task) -> None:
    few, many = (SASRec(SASRec.Params(epochs=epochs)) for epochs in (1, 2))
    assert key(task, few, params={"layers": 2}) == key(task, many, params={"layers": 2})
    assert key(task, few, params={"layers": 2}) != key(task, few, params={"layers": 3})


def test_the_code_of_a_shipped_method_is_a_number(task: Task) -> None:
    stated = training_key(SASRec(SASRec.Params()), task)
    assert (stated["class"], stated["code"]) == ("bench.baselines.sasrec:SASRec", 1)
    assert list(stated["versions"]) == ["torch"]


def test_weights_of_code_that_cannot_be_read_are_never_found_again(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Other, "__module__", "no_such_module")
    assert key(task, Other(SASRec.Params())) != key(task, Other(SASRec.Params()))
