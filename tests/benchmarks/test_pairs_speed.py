"""Scoring 30 candidates with minilm as a cross-encoder, against a plain loop over 30 padded pairs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.domain import Domain
from bench.data.prepare import load_domain
from bench.lm.backbones import packaged_minilm, resolve_backbone
from bench.lm.pairs.model import PairLanguageModel, learnable_users
from bench.lm.precision import training_dtype
from bench.plugin import Queries
from bench.protocol.popular_negatives import popular_negatives

FASTER_THAN_PADDED = 2.5
N_QUERIES = 4
N_ROUNDS = 4


@pytest.mark.benchmark
@pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="needs real data: set BENCH_DATA")
@pytest.mark.skipif(packaged_minilm() is None, reason="the minilm extra is not installed")
def test_thirty_candidates_are_scored_2_5_times_as_fast_as_by_a_loop_over_padded_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    domain = load_domain("beauty", Path(os.environ["BENCH_DATA"]), tmp_path)
    pairs = PairLanguageModel(resolve_backbone("minilm"))
    rng = np.random.default_rng(0)
    users = np.sort(rng.permutation(learnable_users(domain, 29))[:N_QUERIES])
    candidates = np.column_stack([popular_negatives(domain, users, rng), [domain.history(u)[-1] for u in users]])
    histories = [domain.history(user)[:-1] for user in users]
    queries = Queries(
        users, np.cumsum([0, *map(len, histories)]), np.concatenate(histories), candidates.astype(np.int32)
    )

    def bucketed(*, quick: bool) -> torch.Tensor:
        return torch.from_numpy(pairs.score_by(pairs.pair_scores, domain, queries, lambda _line: None, quick=quick))

    def looped(width: int | None) -> torch.Tensor:
        return torch.stack([_looped(pairs, domain, queries, row, width) for row in range(len(queries))])

    jobs = (
        lambda: bucketed(quick=True),
        lambda: bucketed(quick=False),
        lambda: looped(pairs.prompts.max_tokens),
        lambda: looped(None),
    )
    rounds = [[_timed(job) for job in jobs] for _ in range(N_ROUNDS)]  # in turn, so that a burst of load hits all alike
    best = [min(seconds for _, seconds in timings) for timings in zip(*rounds, strict=True)]
    default_seconds, float32_seconds, padded_seconds, unpadded_seconds = best
    ours, plain = rounds[0][1][0], rounds[0][2][0]
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)
    with capsys.disabled():
        sys.stdout.write(
            f"\n30 candidates, minilm, {torch.get_num_threads()} threads, seconds a query: "
            f"{default_seconds / N_QUERIES:.3f} in {training_dtype('cpu')}, "
            f"{float32_seconds / N_QUERIES:.3f} in float32, "
            f"{padded_seconds / N_QUERIES:.3f} in a loop over pairs padded to {pairs.prompts.max_tokens} tokens "
            f"({padded_seconds / default_seconds:.2f} and {padded_seconds / float32_seconds:.2f} times as long), "
            f"{unpadded_seconds / N_QUERIES:.3f} in a loop over pairs without padding\n"
        )
    assert padded_seconds / default_seconds >= FASTER_THAN_PADDED
    assert padded_seconds / float32_seconds >= FASTER_THAN_PADDED


def _looped(pairs: PairLanguageModel, domain: Domain, queries: Queries, row: int, width: int | None) -> torch.Tensor:
    """Score one query's pairs one after the other with transformers' own forward."""
    scores = []
    with torch.no_grad():
        for prompt in pairs.prompts.prompts(domain, queries.history(row), queries.candidates[row]):
            length = len(prompt) if width is None else width
            ids, mask = torch.zeros(1, length, dtype=torch.long), torch.zeros(1, length, dtype=torch.long)
            ids[0, : len(prompt)], mask[0, : len(prompt)] = torch.from_numpy(prompt), 1
            scores.append(pairs.head(pairs.model(ids, attention_mask=mask).last_hidden_state[:, 0]))
    return torch.cat(scores)


def _timed(job: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, float]:
    """Return a job's result and its processor seconds by thread: another's load must not count."""
    began = time.process_time()
    result = job()
    return result, (time.process_time() - began) / torch.get_num_threads()
