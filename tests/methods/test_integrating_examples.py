from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.data.domain import Domain
from bench.lm.pairs.model import PairExamples, PairLanguageModel
from tests.support.pair_toys import fitted, pair_task, turned_domain

N_USERS = 16


def test_adapters_and_what_integrates_them_draw_new_negatives_by_popularity_every_epoch(
    pico_encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[tuple[str, int], list[list[int]]] = {}
    examples = PairLanguageModel.examples

    def watched(
        self: PairLanguageModel, domain: Domain, users: NDArray[np.int64], negatives: NDArray[np.int32]
    ) -> PairExamples:
        for user, wrong in zip(users, negatives, strict=True):
            drawn.setdefault((domain.name, int(user)), []).append(sorted(wrong.tolist()))
        return examples(self, domain, users, negatives)

    monkeypatch.setattr(PairLanguageModel, "examples", watched)
    task = pair_task(tmp_path, pico_encoder_folder, turned_domain(N_USERS))
    fitted("meteora", task, epochs=2, max_examples=40, target_epochs=2, target_examples=N_USERS)
    assert len(drawn) == 40 + 40 + N_USERS
    again = {learned: epochs for learned, epochs in drawn.items() if len(epochs) > 1}
    assert {name for name, _ in again} == {"one", "two", task.target.name}
    assert all(epochs[0] != epochs[1] for epochs in again.values())
