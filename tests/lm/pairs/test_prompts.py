from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.lm.backbones import local_backbone
from bench.lm.pairs.model import PairLanguageModel, PairRecipe
from tests.support.pair_toys import marked_domain


@pytest.mark.parametrize(("max_history", "n_kept"), [(0, 12), (1, 1), (5, 5), (50, 12)])
def test_a_history_keeps_its_latest_items_and_all_of_them_where_nothing_is_cut(
    max_history: int, n_kept: int, pico_encoder_folder: Path
) -> None:
    recipe = PairRecipe(max_tokens=64, max_history=max_history)
    pairs = PairLanguageModel(local_backbone("pico", pico_encoder_folder), "cpu", recipe)
    domain, history = marked_domain("apple"), np.arange(12)
    pairs.prompts.budget = 1000
    kept = pairs.prompts.prefix(domain, history)
    pairs.prompts.max_history = 1000
    assert np.array_equal(kept, pairs.prompts.prefix(domain, history[-n_kept:]))


def test_an_empty_history_is_kept_whole(pico_encoder_folder: Path) -> None:
    recipe = PairRecipe(max_tokens=64, max_history=0)
    pairs = PairLanguageModel(local_backbone("pico", pico_encoder_folder), "cpu", recipe)
    nothing = pairs.prompts.prefix(marked_domain("apple"), [])
    assert np.array_equal(nothing, np.concatenate([pairs.prompts.begin, pairs.prompts.lead_out]))
