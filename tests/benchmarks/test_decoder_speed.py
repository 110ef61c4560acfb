"""Scoring 30 titles with the packaged decoder: queries and tokens per second, and the share of this machine's peak.

The peak is that of a matrix product in the same run, on one thread and in the number format of the model. Processor
time is measured, because other work may share the machine.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from bench.files.store import ArtifactStore
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.likelihood import loaded_decoder
from bench.lm.precision import dtype_name
from bench.lm.smollm2 import packaged_smollm2, smollm2_backbone

N_QUERIES, N_CANDIDATES, N_WORDS, HISTORY = 4, 30, 8, 10
PEAK_SIZE = 1024
LEAST_SHARE = 0.05
WORDS = tuple(
    f"{kind} {what}"
    for kind in ("Sensitive", "Washable", "Ultra", "Daily", "Dove", "Neutrogena", "Maybelline", "Olay")
    for what in ("Soap", "Mascara", "Sunscreen", "Shampoo", "Lacquer")
)


@pytest.fixture
def one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> CausalLanguageModel:
    store = ArtifactStore(tmp_path_factory.mktemp("smollm2"))
    causal = loaded_decoder(smollm2_backbone(store, lambda _line: None), "cpu", HISTORY)
    return dataclasses.replace(causal, title_words=N_WORDS)


def processor_seconds(job: Callable[[], object], repetitions: int = 2) -> float:
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        job()
        seconds.append(time.process_time() - start)
    return min(seconds)


def peak(dtype: torch.dtype) -> float:
    """Return the floating-point operations per second of a matrix product."""
    a, b = torch.randn(2, PEAK_SIZE, PEAK_SIZE).to(dtype)
    return 2 * PEAK_SIZE**3 / processor_seconds(lambda: a @ b, repetitions=20)


def operations(causal: CausalLanguageModel, n_read: int, n_answer: int) -> int:
    """Return the operations of the matrix products with weights; attention is not counted."""
    config = causal.model.config
    head = config.vocab_size * config.hidden_size
    return 2 * (causal.model.num_parameters() - head) * n_read + 2 * head * n_answer


@pytest.mark.benchmark
@pytest.mark.skipif(packaged_smollm2() is None, reason="the smollm2 extra is not installed")
@pytest.mark.parametrize("with_candidates", [True, False])
def test_a_packaged_decoder_uses_a_good_part_of_the_peak(decoder, one_thread, with_candidates, capsys) -> None:
    causal = dataclasses.replace(decoder, with_candidates=with_candidates)
    rng = np.random.default_rng(0)
    titles = [" ".join(rng.choice(WORDS, size=rng.integers(3, 6))) for _ in range(200)]
    histories = [list(rng.choice(titles, HISTORY)) for _ in range(N_QUERIES)]
    candidates = [list(rng.choice(titles, N_CANDIDATES, replace=False)) for _ in range(N_QUERIES)]
    n_answer = int(causal.answer_lengths(candidates, "list").sum())
    n_tokens = sum(map(len, causal.prompt_ids(histories, candidates))) + n_answer
    causal.score(histories[:1], candidates[:1], "list")
    seconds = processor_seconds(lambda: causal.score(histories, candidates, "list"))
    limit = peak(causal.model.dtype)
    share = operations(causal, n_tokens, n_answer) / seconds / limit
    with capsys.disabled():
        print(
            f"\nsmollm2, one thread, {dtype_name(causal.model.dtype)}, candidates "
            f"{'in' if with_candidates else 'not in'} the prompt: {N_QUERIES / seconds:.2f} queries a second, "
            f"{n_tokens / seconds:,.0f} tokens a second ({n_tokens / N_QUERIES:.0f} a query), {share:.0%} of the "
            f"{limit / 1e9:.0f} GFLOP/s of a matrix product"
        )
    assert share > LEAST_SHARE
