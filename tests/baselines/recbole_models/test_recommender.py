from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench.baselines.bert4rec import BERT4Rec
from bench.baselines.bpr import BPR
from bench.baselines.fmlp import FMLP
from bench.baselines.gru4rec import GRU4Rec
from bench.baselines.recbole_adapter import RecBole
from bench.baselines.s3rec import S3Rec
from bench.baselines.sasrec import SASRec

from bench.plugin import Task
from tests.support.sequential_behaviors import N_WARM, planted_with_cold_items

QUICK = {"epochs": 2, "weight_decay": 0.1}


def fitted(recommender: type[Any], task: Task, **params: object) -> Any:
    made = recommender(recommender.Params(**{**QUICK, **params}))
    made.fit(task)
    return made


@pytest.mark.parametrize(
    ("recommender", "params"),
    [
        (SASRec, {}),
        (SASRec, {"loss": "bce"}),
        (GRU4Rec, {}),
        (BPR, {}),
        (FMLP, {"loss": "ce"}),
        (S3Rec, {"pretrain_epochs": 1}),
        (RecBole.wrapping("SASRec"), {}),
    ],
)
def test_in_the_cold_setting_an_item_that_training_never_touched_scores_zero(
    tmp_path: Path, recommender: type[Any], params: dict[str, object]
) -> None:
    task, queries, _ = planted_with_cold_items(tmp_path)
    scores = fitted(recommender, replace(task, setting="cold"), **params).score(queries)
    is_untouched = queries.candidates >= N_WARM
    assert is_untouched.any()
    assert not scores[is_untouched].any()
    assert np.count_nonzero(scores[~is_untouched]) > 0.99 * np.count_nonzero(~is_untouched)


def test_in_the_cold_setting_bert4rec_gives_such_an_item_its_lowest_trained_bias(tmp_path: Path) -> None:
    task, queries, _ = planted_with_cold_items(tmp_path)
    made = fitted(BERT4Rec, replace(task, setting="cold"))
    lowest = float(made.model.output_bias.detach()[1 : N_WARM + 1].min())
    np.testing.assert_allclose(made.score(queries)[queries.candidates >= N_WARM], lowest, rtol=1e-6)


def test_in_the_warm_setting_an_item_that_nobody_touched_keeps_its_first_embedding(tmp_path: Path) -> None:
    task, _, _ = planted_with_cold_items(tmp_path)
    first, last = (fitted(SASRec, task, epochs=n).model.item_embedding.weight for n in (0, 2))
    assert torch.equal(first[N_WARM + 1 :], last[N_WARM + 1 :])
    assert bool(first[N_WARM + 1 :].any(dim=1).all())


def test_weights_of_the_two_rules_are_kept_apart(tmp_path: Path) -> None:
    task, _, _ = planted_with_cold_items(tmp_path)
    warm, cold = (fitted(SASRec, replace(task, setting=setting)) for setting in ("warm", "cold"))  # type: ignore[arg-type]
    assert not cold.model.item_embedding.weight[N_WARM + 1 :].any()
    assert warm.model.item_embedding.weight[N_WARM + 1 :].all()
