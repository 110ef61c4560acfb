"""Popularity, stability and trainings on the pages are those of the records that they are read from."""

from __future__ import annotations

from pathlib import Path

import diagnosis_pages
import numpy as np
import pytest

from bench.diagnose.repeated_answers import AskedAgain, keep
from bench.diagnose.stability import Stability
from bench.metrics import Ranks, Tops
from bench.plugin import AdapterReport, FitReport, TrainingReport
from bench.runs.record import RunRecord, summarize
from bench.runs.store import RunStore
from bench.spec import ProtocolSpec, RunSpec

EXPERIMENT = """
name: small
caption: Two rows.
datasets: {beauty: {title: Beauty}}
settings: [warm]
metrics: [ndcg@1]
seeds: [0, 1]
rows:
  - {method: bpr, label: BPR}
  - {method: popularity, label: Popularity}
"""
RANKS = {0: [0, 0, 3, 3, 3, 3, 3, 3, 3, 3], 1: [0, 3, 3, 3, 3, 3, 3, 3, 3, 3]}
"""Two positives of ten are first with one seed, one with the other."""
TRAINING = TrainingReport(epochs=4, best_epoch=3, curves={"validation_ndcg@3": (0.2, 0.25, 0.2515, 0.24)})


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An experiment in a file; its runs are in the store that the pages read."""
    store = RunStore(tmp_path)
    monkeypatch.setattr(diagnosis_pages, "STORE", store)
    for seed, better in RANKS.items():
        record = saved(store, "bpr", seed, better)
    keep(record, AskedAgain("candidate order", "ndcg@3", 7, Stability((0.5, 0.25), 0.125)), store)
    saved(store, "popularity", 0, RANKS[0], has_tops=False)
    path = tmp_path / "small.yaml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return str(path)


def saved(
    store: RunStore,
    method: str,
    seed: int,
    better: list[int],
    has_tops: bool = True,
    fit: FitReport | None = None,
) -> RunRecord:
    """Store a run of ten queries whose positives 1, 2, … 10 users touched, and whose tops 11 users touched."""
    ranks = Ranks(np.array(better, np.int16), np.zeros(10, np.int16))
    backbone = "minilm" if method == "target-only" else None
    spec = RunSpec(method, ProtocolSpec("beauty", "warm"), {}, seed=seed, backbone=backbone)
    record = RunRecord(
        id=spec.hash(),
        spec=spec,
        family="general",
        metrics=summarize(ranks, ("ndcg@1", "ndcg@3")),
        candidates_hash="hash",
        n_queries=10,
        tie_rate=0.0,
        bench_version="0.1.0",
        created="2026-01-01T00:00:00+00:00",
        fit=fit or (FitReport(training=TRAINING) if method == "bpr" else FitReport()),
    )
    items = np.where(ranks.better == 0, 1, 2).astype(np.int32)
    tops = Tops(items, np.full(10, 11.0, np.float32), np.arange(1, 11, dtype=np.int32))
    store.save(record, np.arange(10), ranks, tops if has_tops else None)
    return record


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table, its head first."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if "---" not in line]


def test_popularity_is_told_of_rows_that_hold_their_top_items(experiment: str) -> None:
    head, *rows = rows_of(diagnosis_pages.popularity(experiment, "beauty", "warm", "ndcg@1"))
    assert head == ["Method", "NDCG@1", "Popularity ratio", "1–2", "3–4", "5–6", "7–8", "9–10"]
    assert rows == [["BPR", "0.2000", "2.00", "1.0000", "0.0000", "0.0000", "0.0000", "0.0000"]]


def test_stability_is_told_over_seeds_and_over_candidate_orders(experiment: str) -> None:
    _, *rows = rows_of(diagnosis_pages.stability(experiment, "beauty", "warm"))
    assert rows == [
        ["BPR", "seeds", "2", "10", "NDCG@3", "0.1000–0.2000", "10.0%"],
        ["BPR", "candidate order", "2", "7", "NDCG@3", "0.2500–0.5000", "12.5%"],
    ]


def test_a_doubled_training_is_told_of_rows_with_a_validation_curve(experiment: str) -> None:
    path = Path(experiment)
    path.write_text(EXPERIMENT + "  - {method: sasrec, label: SASRec}\n", encoding="utf-8")
    shown, rest = diagnosis_pages.doubling(experiment, "beauty", "warm").split("\n\n")
    assert rest == "Not run yet: SASRec."
    head, *rows = rows_of(shown)
    assert head == ["Method", "Epochs", "Validation NDCG@3", "Twice the epochs", "Gain"]
    assert rows == [["BPR", "2 → 4", "0.2500", "0.2515", "+0.0015"]]


def test_how_long_a_row_was_trained_is_told_beside_what_it_reached(experiment: str) -> None:
    path = Path(experiment)
    path.write_text(EXPERIMENT + "  - {method: target-only, label: LoRA, backbone: minilm}\n", encoding="utf-8")
    adapter = AdapterReport("id", n_steps=1161, epochs=6.75, losses=(6.5,), validation=(0.3, 0.55, 0.54))
    saved(diagnosis_pages.STORE, "target-only", 0, RANKS[0], fit=FitReport(adapters={"target": adapter}))
    head, *rows = rows_of(diagnosis_pages.lengths(experiment, "beauty", "warm"))
    assert head == ["Method", "Steps", "Epochs", "Validation NDCG@3", "NDCG@1", "NDCG@3"]
    assert rows == [
        ["BPR", "–", "4.0", "0.2515", "0.2000", "0.2000"],
        ["Popularity", "–", "–", "–", "0.2000", "0.2000"],
        ["LoRA", "1,161", "6.8", "0.5500", "0.2000", "0.2000"],
    ]


def test_an_empty_table_stops_the_build(experiment: str) -> None:
    with pytest.raises(ValueError, match="no columns of toys, warm"):
        diagnosis_pages.popularity(experiment, "toys", "warm")
    only_popularity = Path(experiment)
    only_popularity.write_text(EXPERIMENT.replace("  - {method: bpr, label: BPR}\n", ""), encoding="utf-8")
    with pytest.raises(ValueError, match="contains its top items"):
        diagnosis_pages.popularity(experiment, "beauty", "warm")
    with pytest.raises(ValueError, match="has several seeds or repeated scoring"):
        diagnosis_pages.stability(experiment, "beauty", "warm")
    with pytest.raises(ValueError, match="has a validation curve"):
        diagnosis_pages.doubling(experiment, "beauty", "warm")
