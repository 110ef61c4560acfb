"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from bench.metrics import Ranks
from bench.runs.record import RunRecord, summarize
from bench.runs.store import RunStore
from bench.spec import N_NEGATIVES, ProtocolSpec, RunOptions, RunSpec

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")  # a busy machine is no failure


@pytest.fixture(autouse=True)
def no_lines_for_slowness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep commands on a busy machine from reporting that they still work: tests compare what they write."""
    monkeypatch.setattr("bench.cli.progress.plain.LONGEST_SILENCE_SECONDS", math.inf)


@pytest.fixture(scope="session", autouse=True)
def _no_data_of_whoever_runs_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_USER_DATA", str(tmp_path_factory.mktemp("user") / "data"))
        yield


@pytest.fixture
def user_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of imported datasets for one test; it does not exist yet."""
    monkeypatch.setenv("BENCH_USER_DATA", str(tmp_path / "user-data"))
    return tmp_path / "user-data"


@pytest.fixture
def run_store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "results")


@pytest.fixture
def save_run(run_store: RunStore) -> Callable[..., RunRecord]:
    """Store a run made of given ranks: ``save_run("bpr", better=[0, 3, 1])``."""

    def save(
        method: str,
        better: Sequence[int],
        tied: Sequence[int] | None = None,
        users: Sequence[int] | None = None,
        dataset: str = "beauty",
        setting: Any = "warm",
        policy: Any = "holdout",
        overrides: dict[str, Any] | None = None,
        catalogue: dict[str, float] | None = None,
        n_negatives: int = N_NEGATIVES,
        **fields: Any,
    ) -> RunRecord:
        ranks = Ranks(np.asarray(better, np.int16), np.asarray(tied or [0] * len(better), np.int16))
        protocol = ProtocolSpec(dataset, setting, policy, n_negatives=n_negatives)
        params = {"layers": 2, "dropout": 0.5, **(overrides or {})}
        # of a spec and of a record there is a backbone each, and a test means the spec's
        options = {item.name: fields.pop(item.name) for item in dataclasses.fields(RunOptions) if item.name in fields}
        spec = RunSpec(method, protocol, params, full_ranking=catalogue is not None, **options)
        n_candidates = int((catalogue or {"n_items": n_negatives + 1})["n_items"])
        facts = {
            "family": "general",
            "candidates_hash": f"hash-{dataset}-{setting}",
            "bench_version": "0.1.0",
            "created": "2026-01-01T00:00:00+00:00",
            "data": {name: f"content-{name}" for name in (dataset, *spec.sources)},
            "revisions": {"method": 1, "protocol": 1},
            **fields,
        }
        record = RunRecord(
            id=spec.hash(),
            spec=spec,
            metrics=summarize(ranks, ("ndcg@1", "ndcg@3"), n_candidates),
            n_queries=len(ranks),
            tie_rate=ranks.tie_rate,
            overrides=overrides or {},
            catalogue=catalogue,
            **facts,
        )
        return run_store.save(record, np.asarray(users if users is not None else range(len(ranks))), ranks)

    return save


@pytest.fixture(scope="session")
def pico_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that AutoModel and AutoTokenizer load: a two-layer encoder with random weights."""
    from tests.support.text_toys import save_pico_encoder

    return save_pico_encoder(tmp_path_factory.mktemp("pico-bert"))


@pytest.fixture(scope="session")
def wide_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a folder whose weights are drawn wide: titles' vectors differ, so that a few steps change a ranking."""
    from tests.support.text_toys import save_pico_encoder

    return save_pico_encoder(tmp_path_factory.mktemp("wide-bert"), deviation=0.2)


@pytest.fixture(scope="session")
def pico_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that AutoModelForCausalLM and AutoTokenizer load: a two-layer decoder with random weights."""
    from tests.support.text_toys import save_pico_decoder

    return save_pico_decoder(tmp_path_factory.mktemp("pico-qwen2"))


@pytest.fixture(scope="session")
def pico_seq2seq_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that AutoModelForSeq2SeqLM and AutoTokenizer load: a one-layer T5 with random weights."""
    from tests.support.text_toys import save_pico_seq2seq

    return save_pico_seq2seq(tmp_path_factory.mktemp("pico-t5"))
