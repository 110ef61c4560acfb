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
from bench.runs.store import RunStore

ROOT = Path(bench.__file__).parent.parent
PAGE = " ".join((ROOT / "docs" / "pages" / "results.md").read_text(encoding="utf-8").split())
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
STORE = RunStore(ROOT / "results" / "measured")

pytestmark = pytest.mark.numbers


def fifths(method: str) -> list[float]:
    """Return a warm Beauty run's NDCG@3 by fifths of the target items' popularity."""
    record = STORE.find(f"{method}@beauty@warm@seed0")
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
    (found,) = compare_runs(
        *map(STORE.find_seeds, (f"{method}@beauty@cold", "text-knn@beauty@cold")), ["ndcg@1"], STORE
    )
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
    record = STORE.find("sasrec@beauty@warm@seed0")
    assert f"SASRec has an NDCG@1 of {record.metrics['ndcg@1']['value']:.4f} on Beauty" in README
