from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from bench.data import load_domain
from bench.protocol.candidates import TitleGroups, draw_candidates
from bench.protocol.splits import split_domain
from bench.spec import ProtocolSpec

LIMIT_SECONDS = 1.0


@pytest.mark.benchmark
@pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="needs the real data in BENCH_DATA")
def test_candidates_for_beauty_take_at_most_a_second(tmp_path: Path) -> None:
    domain = load_domain("beauty", Path(os.environ["BENCH_DATA"]), tmp_path)
    test = split_domain(domain, ProtocolSpec("beauty")).test
    users = np.searchsorted(domain.indptr, test, side="right") - 1
    began = time.process_time()
    groups = TitleGroups.of(domain)
    lists = draw_candidates(domain, users, domain.items[test], groups.eligible, groups, 29, np.random.default_rng(0))
    seconds = time.process_time() - began
    print(f"\ncandidates for {len(users):,} users of beauty: {seconds:.3f} s (limit {LIMIT_SECONDS} s)")
    assert lists.items.shape == (len(users), 30)
    assert seconds <= LIMIT_SECONDS
