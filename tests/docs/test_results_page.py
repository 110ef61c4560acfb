"""What the page of results says in its sentences is what the shipped records give."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import bench
from bench.diagnose.summary import diagnose_run
from bench.experiments.scale import DEFAULT_SCALE
from bench.metrics import Metric
from bench.registry import registry
from bench.report.experiment_report import experiment_at, report_of
from bench.report.two_runs import compare_runs
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

ROOT = Path(bench.__file__).parent.parent
PAGE = " ".join((ROOT / "docs" / "pages" / "results.md").read_text(encoding="utf-8").split())
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
STORE = RunStore(ROOT / "results" / "measured")

pytestmark = pytest.mark.numbers


def runs_of(method: str, setting: str, limit: int | None = None, **expected: object) -> list[RunRecord]:
    """Return the runs on Beauty with a sample of this size (None: all queries) whose specs have the expected values."""
    expected |= {"method": method, "limit_queries": limit, "full_ranking": False}
    alike = [
        record
        for record in STORE.records()
        if (record.spec.protocol.dataset, record.spec.protocol.setting) == ("beauty", setting)
        and all(getattr(record.spec, name) == value for name, value in expected.items())
    ]
    return sorted(alike, key=lambda record: record.spec.seed)


def fifths(method: str) -> list[float]:
    """Return a warm Beauty run's NDCG@3 by fifths of the target items' popularity."""
    (record,) = runs_of(method, "warm", seed=0)
    return [group.value for group in diagnose_run(record, STORE, Metric.parse("ndcg@3")).groups]


def test_printed_scores_are_counted_by_their_verdicts() -> None:
    cells = report_of(experiment_at("baselines-warm", DEFAULT_SCALE.name, registry()), STORE.results_dir, registry())
    count = Counter(cell.verdict.partition(":")[0] for cell in cells.beside())
    assert count.total() == 96
    at_or_above, within, incomparable = count["at or above"], count["within 0.02"], count["not comparable"]
    assert at_or_above + within + incomparable == count.total()
    assert f"Of 96 reported scores, {at_or_above} are at or below ours, {within} (RecFormer)" in PAGE
    assert f"{incomparable} are not comparable" in PAGE


@pytest.mark.parametrize(("method", "name"), [("vqrec", "VQ-Rec"), ("alpharec", "AlphaRec")])
def test_methods_below_text_knn_on_cold_items_are_so_by_the_stated_difference(method: str, name: str) -> None:
    (found,) = compare_runs(runs_of(method, "cold"), runs_of("text-knn", "cold"), ["ndcg@1"], STORE)
    assert f"{name} by {-found.difference:.3f}" in PAGE
    assert found.p_t < 0.0001


def test_the_agreement_of_lists_and_catalog_is_that_of_the_table() -> None:
    table = json.loads((ROOT / "results" / "tables" / "full-ranking.json").read_text(encoding="utf-8"))
    (note,) = [note for note in table["footnotes"] if "NDCG@10" in note and "τ-b" in note]
    (tau,) = re.findall(r"τ-b = (0\.\d\d)", note)
    assert f"Kendall's τ-b is {tau} by NDCG@10, and of nine pairs that swap, five differ significantly" in PAGE
    assert (note.count(" above "), len(re.findall(r"\(!\)[;.]", note))) == (9, 5)


def test_the_least_and_the_most_popular_fifth_are_those_of_the_runs() -> None:
    least = {method: f"{fifths(method)[0]:.2f}" for method in ("recformer", "sasrec", "bpr", "unisrec")}
    most = {method: f"{fifths(method)[-1]:.2f}" for method in ("sasrec", "unisrec")}
    assert f"NDCG@3 of {least['recformer']}" in PAGE
    assert f"SASRec reaches {least['sasrec']} and BPR {least['bpr']}" in PAGE
    assert f"SASRec reaches {most['sasrec']}." in PAGE
    assert f"({least['unisrec']} and {most['unisrec']})" in PAGE


def test_the_readme_names_the_score_of_its_table() -> None:
    (record,) = runs_of("sasrec", "warm", seed=0)
    assert f"SASRec has an NDCG@1 of {record.metrics['ndcg@1']['value']:.4f} on Beauty" in README


DECODER = {"backbone": "smollm2", "ranking": None}
ENCODER = {"backbone": "minilm"}


@pytest.mark.parametrize(
    ("setting", "better", "worse", "most_p", "sentence"),
    [
        ("cold", ("zeroshot", DECODER), ("zeroshot", {"backbone": "smollm2", "ranking": "sum"}), 1e-4, None),
        ("warm", ("zeroshot", DECODER), ("random", {}), 1e-4, None),
        ("cold", ("zeroshot", DECODER), ("random", {}), 1e-4, None),
        ("warm", ("zeroshot", DECODER), ("text-knn", ENCODER), 1.0, "{:+.3f} / {:+.3f} on warm items (p = 0.33"),
        ("cold", ("zeroshot", DECODER), ("text-knn", ENCODER), 1.0, "{:+.3f} / {:+.3f} on cold ones (p = 0.83"),
        ("warm", ("target-only", DECODER), ("zeroshot", DECODER), 0.04, "{:+.3f} / {:+.3f} on warm items (p = 0.04"),
        ("cold", ("target-only", DECODER), ("zeroshot", DECODER), 1.0, "{:+.3f} / {:+.3f} on cold ones (p = 0.04"),
        ("warm", ("target-only", DECODER), ("text-knn", ENCODER), 0.05, "`text-knn`, by {:.3f} / {:.3f}"),
        ("warm", ("target-only", DECODER), ("reccocktail", DECODER), 0.003, "that costs {:.3f} / {:.3f} compared"),
        ("warm", ("text-linear", ENCODER), ("target-only", DECODER), 0.01, "adapter by {:.3f} / {:.3f} on warm"),
        ("cold", ("text-linear", ENCODER), ("target-only", DECODER), 0.01, "on warm and {:.3f} / {:.3f} on cold"),
        ("warm", ("target-only", ENCODER), ("target-only", DECODER), 0.001, "above it by {:.3f} / {:.3f} and"),
        ("cold", ("target-only", ENCODER), ("target-only", DECODER), 0.001, "and {:.3f} / {:.3f} (all p < 0.001)"),
    ],
)
def test_differences_between_the_rows_of_the_decoder_are_the_stated_ones(
    setting: str,
    better: tuple[str, dict[str, object]],
    worse: tuple[str, dict[str, object]],
    most_p: float,
    sentence: str | None,
) -> None:
    runs = [runs_of(method, setting, 500, **expected) for method, expected in (better, worse)]
    found = compare_runs(*runs, ["ndcg@1", "ndcg@3"], STORE)
    assert max(one.p_t for one in found) <= most_p
    assert sentence is None or sentence.format(*(one.difference for one in found)) in PAGE
