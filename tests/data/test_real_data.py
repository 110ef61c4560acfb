from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bench.data.card import load_card, own_data_card
from bench.data.domain import Domain
from bench.data.prepare import read_source, source_of
from bench.data.verify import consistency_checks

pytestmark = pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="needs real data: set BENCH_DATA")

COUNTS = {
    "beauty": (22_363, 12_101, 198_502, 7),
    "toys": (19_412, 11_924, 167_597, 59),
    "clothing": (39_230, 22_948, 277_534, 0),
    "health": (38_329, 18_427, 343_831, 0),
    "video-games": (15_264, 7_676, 147_861, 0),
    "sports": (35_598, 18_357, 296_337, 18_357),
    "grocery": (14_681, 8_713, 151_254, 8_713),
    "tools": (16_638, 10_217, 134_476, 10_217),
    "ml-1m": (6_040, 3_706, 1_000_209, 0),
}


def domain_of(name: str) -> Domain:
    folder = Path(os.environ["BENCH_DATA"])
    if not (folder / name).is_dir():
        pytest.skip(f"BENCH_DATA has no {name}")
    card = load_card(name)
    return read_source(card, source_of(card, folder, folder))


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_that_the_data_state(name: str) -> None:
    domain = domain_of(name)
    assert (domain.n_users, domain.n_items, domain.n_interactions, domain.n_untitled) == COUNTS[name]
    assert all(check.passed for check in consistency_checks(domain, own_data_card(name)))


def test_beauty_equals_the_papers_and_misses_287_timestamps() -> None:
    domain = domain_of("beauty")
    (expected,) = load_card("beauty").expected
    assert (domain.n_users, domain.n_items, domain.n_interactions) == (
        expected.users,
        expected.items,
        expected.interactions,
    )
    assert f"{100 * domain.density:.4f}" == "0.0734"
    assert domain.timestamps is not None
    assert int((domain.timestamps == -1).sum()) == 287
    first = np.flatnonzero(domain.user_ids == "A1YJEY40YUW4SE")[0]
    assert domain.item_ids[domain.history(first)][:3].tolist() == ["B004756YJA", "B004ZT0SSG", "B0020YLEYK"]
