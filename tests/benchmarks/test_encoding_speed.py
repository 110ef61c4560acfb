"""Title vectors of Beauty's 12,101 items from the packaged encoder: made once, then read from the cache."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bench.data.prepare import load_domain
from bench.files.store import ArtifactStore
from bench.lm.backbones import resolve_backbone
from bench.lm.encoders.title_vectors import title_vectors

SECONDS_TO_ENCODE, SECONDS_TO_READ = 90.0, 1.0


@pytest.mark.benchmark
@pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="needs real data: set BENCH_DATA")
def test_the_titles_of_beauty_are_encoded_in_90_seconds_and_read_again_in_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ArtifactStore(tmp_path)
    domain = load_domain("beauty", Path(os.environ["BENCH_DATA"]), tmp_path)
    backbone = resolve_backbone("minilm")
    started = time.perf_counter()
    made = title_vectors(domain, backbone, store, lambda _line: None)
    encoded = time.perf_counter()
    read = title_vectors(domain, backbone, store, lambda _line: None)
    seconds_to_encode, seconds_to_read = encoded - started, time.perf_counter() - encoded
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(made):,} titles: encoded in {seconds_to_encode:.1f} s, read in {seconds_to_read:.3f} s\n"
        )
    assert np.array_equal(made, read)
    assert seconds_to_encode <= SECONDS_TO_ENCODE
    assert seconds_to_read <= SECONDS_TO_READ
