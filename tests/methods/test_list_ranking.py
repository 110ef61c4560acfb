"""Every method that says it can ranks by the list that a decoder writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.lm.decoders.lists import ListLanguageModel
from bench.plugin import Task
from bench.protocol.task import PreparedTask
from bench.registry import registry
from bench.runs.complete import complete
from bench.runs.request import RunRequest
from tests.support.adapter_toys import fitted, prepared_toy, toy_task

WRITERS = sorted(name for name, entry in registry().entries.items() if entry.writes_lists)
OTHERS = sorted(name for name, entry in registry().entries.items() if entry.needs_backbone and not entry.writes_lists)
SHORT = {"max_examples": 8, "batch_size": 8, "n_prompts": 2, "prompts_a_step": 2, "passes": 1}
N_QUERIES = 3
LONGEST = "target-only-equal-steps"
"""It trains as long as all branches of WeaveRec together."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    """One store for all: most of the methods' adapters are the same ones."""
    return ArtifactStore(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def prepared(store: ArtifactStore) -> PreparedTask:
    return prepared_toy("target", store)


@pytest.fixture
def task(prepared: PreparedTask, store: ArtifactStore, pico_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr(ListLanguageModel, "max_new_tokens", 4)
    return toy_task(prepared, store, pico_folder, ranking="generate")


def short(method: str) -> dict[str, int]:
    names = registry().recommender(method).Params.__dataclass_fields__  # type: ignore[attr-defined]
    limit = {"max_new_tokens": 4} if "max_new_tokens" in names else {}
    return {**{name: value for name, value in SHORT.items() if name in names}, **limit}


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=pytest.mark.slow if name == LONGEST else ()) for name in WRITERS]
)
def test_it_ranks_by_lists_and_counts_them(method: str, task: Task, prepared: PreparedTask) -> None:
    recommender = fitted(method, task, **short(method))
    scores = recommender.score(prepared.test.queries.take(np.arange(N_QUERIES)))
    report = recommender.report()
    assert scores.shape == (N_QUERIES, 30)
    assert report.extra["lists"]["n_lists"] == N_QUERIES
    assert report.extra["generation"]["engine"] == "transformers"
    assert report.extra["generation"]["max_new_tokens"] == 4
    assert report.extra["scored_by"].startswith("place in the written list")


def test_those_made_of_adapters_and_the_zero_shot_row_are_among_them() -> None:
    assert {"zeroshot", "tallrec", "reccocktail", "weaverec", "target-only", "ties-merging"} <= set(WRITERS)


@pytest.mark.parametrize("method", OTHERS)
def test_the_others_refuse_lists_in_one_sentence(method: str) -> None:
    with pytest.raises(BenchError, match=rf"'{method}' cannot generate ranked lists.*bench describe {method}"):
        complete(RunRequest(method, "ml-100k-drama", ranking="generate"))
