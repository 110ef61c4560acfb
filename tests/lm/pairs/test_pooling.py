"""What of a prompt is scored: the first token's last state, or the mean of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.methods.xcross import CrossLayers

from bench.files.hashing import content_hash
from bench.lm.adapters.apply import folded
from bench.lm.adapters.experts import ParallelExperts
from bench.lm.pairs.model import PairLanguageModel
from bench.lm.pairs.prompts import PairBatch
from bench.runs.params import named_params
from tests.support.pair_toys import (
    marked_domain,
    marked_queries,
    pair_task,
    pico_pairs,
    quick_recommender,
    random_adapter,
    save_pico_deberta,
)

Prompts = list[np.ndarray]


@pytest.fixture(scope="module", params=["bert", "deberta"])
def pairs(request: Any, pico_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PairLanguageModel:
    folder = pico_encoder_folder
    if request.param == "deberta":
        folder = save_pico_deberta(tmp_path_factory.mktemp("pico-deberta"), folder)
    made = pico_pairs(folder)
    made.walk.pooling = "mean"
    return made


@pytest.fixture
def prompts(pairs: PairLanguageModel) -> Prompts:
    domain = marked_domain("apple")
    queries, _ = marked_queries(domain)
    return [
        prompt
        for row in (0, 1)
        for prompt in pairs.prompts.prompts(domain, queries.history(row)[2 * row :], queries.candidates[row, :5])
    ]


def plain_means(pairs: PairLanguageModel, prompts: Prompts) -> torch.Tensor:
    """Run transformers' own forward on one prompt after the other and average its states."""
    with torch.no_grad():
        rows = [pairs.model(torch.from_numpy(prompt)[None]).last_hidden_state[0].mean(0) for prompt in prompts]
    return torch.stack(rows)


def test_the_mean_is_that_of_the_model_s_own_states_whatever_the_padding(
    pairs: PairLanguageModel, prompts: Prompts
) -> None:
    assert len({len(prompt) for prompt in prompts}) > 1
    for some in (prompts, prompts[:1]):
        with torch.no_grad():
            found = pairs.walk.pooled(PairBatch.of(some, "cpu"))[0]
        torch.testing.assert_close(found, plain_means(pairs, some), rtol=1e-4, atol=1e-5)


def test_parallel_streams_are_the_means_of_the_adapted_encoders(pairs: PairLanguageModel, prompts: Prompts) -> None:
    adapters = [random_adapter(pairs, seed) for seed in range(2)]
    experts = ParallelExperts(adapters)
    with torch.no_grad(), experts.hooked(pairs.model):
        streams = pairs.walk.pooled(PairBatch.of(prompts, "cpu"), experts, 2)
    for adapter, stream in zip(adapters, streams, strict=True):
        with folded(pairs.model, adapter):
            torch.testing.assert_close(stream, plain_means(pairs, prompts), rtol=1e-4, atol=1e-4)


def test_x_cross_mixes_every_token_of_the_last_layer_and_then_takes_the_mean(
    pairs: PairLanguageModel, prompts: Prompts
) -> None:
    made = CrossLayers(pairs, [random_adapter(pairs, seed) for seed in range(2)], 0.5, 0.4, 2)
    for integrator in made.integrators:
        torch.nn.init.normal_(integrator, std=0.1)
    mixed: list[torch.Tensor] = []
    integrate = made.integrate

    def keep(number: int, states: torch.Tensor) -> torch.Tensor:
        mixed.append(integrate(number, states))
        return mixed[-1]

    made.integrate = keep  # type: ignore[method-assign]
    alone = prompts[0]
    with torch.no_grad():
        together = made.states(PairBatch.of(prompts, "cpu"))
        found = made.states(PairBatch.of([alone], "cpu"))
    assert mixed[-1].shape == (2, len(alone), 32)
    torch.testing.assert_close(found[:, 0], mixed[-1].mean(1))
    torch.testing.assert_close(together[:, 0], found[:, 0], rtol=1e-4, atol=1e-4)


def test_methods_read_what_their_parameter_says_from_training_to_scores(
    pico_encoder_folder: Path, tmp_path: Path
) -> None:
    task = pair_task(tmp_path, pico_encoder_folder, marked_domain("apple", 16))
    short = {"epochs": 1, "target_epochs": 1, "max_examples": 12, "target_examples": 8}
    queries, _ = marked_queries(task.target, n_queries=3)
    scores = []
    for pooling in ("first", "mean"):
        recommender = quick_recommender("xcross", pooling=pooling, **short)
        recommender.fit(task)
        assert recommender.language_model.facts()["pooling"] == pooling
        scores.append(recommender.score(queries))
    assert not np.allclose(*scores)


def test_each_pooling_has_adapters_of_its_own_and_the_first_token_keeps_the_ids_of_runs(
    pico_encoder_folder: Path, tmp_path: Path
) -> None:
    task = pair_task(tmp_path, pico_encoder_folder, marked_domain("apple", 16))
    first, mean = (quick_recommender("lora", pooling=pooling) for pooling in ("first", "mean"))
    keys = [content_hash(each.adapters(task)[0].key()) for each in (first, mean)]
    assert keys[0] != keys[1]
    assert "pooling" not in named_params(first.params)
    assert named_params(mean.params)["pooling"] == "mean"
