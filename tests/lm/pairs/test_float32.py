"""The head, and every final score, in float32 on a device that trains in bfloat16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bench.methods.xcross import CrossLayers

from bench.lm.pairs.model import PairHead, PairLanguageModel
from tests.support.pair_toys import fitted, marked_domain, marked_queries, pair_task, pico_pairs, random_adapter
from tests.support.text_toys import save_pico_encoder


def in_bfloat16(_device: object = "cpu") -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.fixture
def trains_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (
        "bench.lm.language_model",
        "bench.lm.pairs.model",
        "bench.lm.training.lora",
        "bench.methods.shared.integrating",
    ):
        monkeypatch.setattr(f"{module}.training_precision", in_bfloat16)


def test_the_head_tells_close_states_apart_where_training_is_in_bfloat16() -> None:
    torch.manual_seed(0)
    head, states = PairHead(32), 5 + 0.01 * torch.randn(3000, 32)
    with in_bfloat16():
        found = head(states)
    assert found.dtype == torch.float32
    assert torch.equal(found, head(states))
    assert len(found.unique()) > 2900


def test_x_cross_sums_the_encoders_states_in_float32(pico_encoder_folder: Path) -> None:
    pairs = pico_pairs(pico_encoder_folder)
    made = CrossLayers(pairs, [random_adapter(pairs, seed) for seed in range(2)], 0.5, 0.4, 1)
    states = torch.randn(2, 50, 32)
    with in_bfloat16():
        found = made.read(states)
    assert torch.equal(found, made.read(states))


@pytest.mark.usefixtures("trains_in_bfloat16")
def test_a_final_score_is_float32_s_and_a_quick_one_is_not(pico_encoder_folder: Path) -> None:
    pairs, domain = pico_pairs(pico_encoder_folder), marked_domain("apple")
    queries, _ = marked_queries(domain, n_queries=4)

    def scored(model: PairLanguageModel, **how: bool) -> np.ndarray:
        return model.score_by(model.pair_scores, domain, queries, lambda _line: None, **how)

    final, quick = scored(pairs), scored(pairs, quick=True)
    with torch.no_grad():
        one = pairs.prompts.prompts(domain, queries.history(0), queries.candidates[0, :1])[0]
        state = pairs.model(torch.from_numpy(one)[None]).last_hidden_state[:, 0]
        expected = pairs.head(state).item()
    assert final[0, 0] == pytest.approx(expected, rel=1e-4)
    assert np.abs(quick - final).max() > 1e-3
    with in_bfloat16():
        assert np.array_equal(scored(pairs), final)
    assert np.array_equal(pairs.scores_in_training(domain, queries, lambda _line: None), quick)


@pytest.mark.usefixtures("trains_in_bfloat16")
@pytest.mark.parametrize("method", ["lora", "pooler-scorer", "xcross"])
def test_no_two_candidates_tie_after_training_in_bfloat16(method: str, tmp_path: Path) -> None:
    wide = save_pico_encoder(tmp_path / "encoder", deviation=0.2)
    task = pair_task(tmp_path / "artifacts", wide, marked_domain("apple", 16))
    short = {"epochs": 1, "max_examples": 8, "batch_size": 4, "learning_rate": 1e-4}
    on_target = {"target_epochs": 1, "target_examples": 8, "target_learning_rate": 1e-4} if method != "lora" else {}
    recommender = fitted(method, task, **short, **on_target)
    queries, _ = marked_queries(task.target, n_queries=8)
    scores = recommender.score(queries)
    assert all(len(np.unique(row)) == 30 for row in scores)
