from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow, PaperPlace, PublishedReference
from bench.experiments.scale import SCALES
from bench.plugin import Entry, FitReport, TrainingReport
from bench.registry import Registry
from bench.report.papers.printed_beside_ours import Beside, beside_published, render_beside
from bench.report.papers.verdict import verdict
from bench.report.tables.build import build_table
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
REGISTRY = Registry({"reccocktail": Entry("reccocktail", "merging", runs_on="decoder")}, {})
WARM = (PublishedReference("reccocktail", "table1", "warm"),)


def experiment(*methods: str, **fields: Any) -> Experiment:
    facts: dict[str, Any] = {
        "name": "small",
        "caption": "A small table.",
        "rows": tuple(ExperimentRow(method, method.upper()) for method in methods),
        "datasets": (ExperimentDataset("beauty", "Beauty"),),
        "settings": ("warm",),
        "metrics": ("ndcg@1", "ndcg@3"),
        "published": WARM,
        **fields,
    }
    return Experiment(**facts)


def beside(store: RunStore, *methods: str, **fields: Any) -> list[Beside]:
    described = experiment(*methods, **fields)
    return beside_published(described, build_table(described, store, REGISTRY), REGISTRY)


def test_ours_stands_beside_the_printed_figure(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 5, 9])
    first, second = beside(run_store, "bpr")
    assert (first.row, first.metric, first.ours, first.printed) == ("BPR", "ndcg@1", 0.25, 0.1630)
    assert first.difference == pytest.approx(0.087)
    assert (first.verdict, first.source) == ("at or above", "RecCocktail table1")
    assert (second.metric, second.printed) == ("ndcg@3", 0.2588)


def test_a_printed_figure_stands_beside_frozen_lists_alone(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 5, 9])
    save_run("bpr", [0, 0, 0, 0], catalogue={"n_items": 500.0}, candidates_hash="rule")
    found = beside(run_store, "bpr", candidates=("sampled", "full"))
    assert [(cell.metric, cell.ours) for cell in found] == [
        (cell.metric, cell.ours) for cell in beside(run_store, "bpr")
    ]


def test_a_figure_below_of_a_training_that_still_rose_is_counted_apart(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [9, 9, 9, 9], fit=FitReport(training=TrainingReport(epochs=2, ended="rising")))
    cells = beside(run_store, "bpr")
    assert {cell.verdict for cell in cells} == {"below, not converged: validation was still rising"}
    assert render_beside(cells, "text").endswith("2 published scores: 2 below, not converged.\n")


def test_a_run_that_was_not_made_has_no_verdict(run_store: RunStore) -> None:
    assert [cell.verdict for cell in beside(run_store, "bpr")] == ["not run", "not run"]


def test_a_toy_another_backbone_and_an_impossible_cell_are_not_compared(run_store: RunStore, save_run: Save) -> None:
    save_run("fmlp", [0, 1, 5], toy=True)
    assert beside(run_store, "fmlp")[0].verdict == "not comparable: toy backbone"
    assert beside(run_store, "reccocktail")[0].verdict == (
        "not comparable: backbone minilm instead of the paper's Qwen/Qwen2-7B-Instruct"
    )
    weaverec = (PublishedReference("weaverec", "table1", "warm"),)
    save_run("mcrpl", [0, 1, 5])
    assert beside(run_store, "mcrpl", published=weaverec)[0].verdict == (
        "not comparable: the reported numbers are inconsistent"
    )


def test_a_reason_of_the_experiments_own_stands_in_the_verdict(run_store: RunStore) -> None:
    published = (PublishedReference("reccocktail", "table1", "warm", "other data"),)
    assert {cell.verdict for cell in beside(run_store, "bpr", published=published)} == {"not comparable: other data"}


def test_only_the_settings_own_tables_are_read(run_store: RunStore) -> None:
    cells = beside(run_store, "bpr", settings=("warm", "cold"))
    assert {cell.setting for cell in cells} == {"warm"}


def test_nothing_printed_is_an_error(run_store: RunStore) -> None:
    with pytest.raises(BenchError, match="does not list published tables"):
        beside(run_store, "bpr", published=())
    with pytest.raises(BenchError, match="The published tables of experiment 'small' contain none"):
        beside(run_store, "text-knn")


def test_every_format_holds_every_cell(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 5, 9])
    cells = beside(run_store, "bpr", "sasrec")
    assert [line["verdict"] for line in json.loads(render_beside(cells, "json"))] == [cell.verdict for cell in cells]
    assert len(list(csv.DictReader(io.StringIO(render_beside(cells, "csv"))))) == 4
    for output_format, sign in (("text", "---"), ("markdown", "|"), ("latex", r"\toprule")):
        text = render_beside(cells, output_format)
        assert sign in text
        assert "0.2410" in text
        assert "+0.0870" in text
    with pytest.raises(BenchError, match="cannot be printed as 'html'"):
        render_beside(cells, "html")


def test_a_percent_table_compares_percents_with_percents(run_store: RunStore, save_run: Save) -> None:
    """X-Cross prints 8.36 for SASRec on Toys, Hit@1, and 16.13 for MRR@10."""
    save_run("sasrec", [0] * 9 + [20] * 91, dataset="toys-2018", setting="user-split")
    described = experiment(
        "sasrec",
        datasets=(ExperimentDataset("toys-2018", "Toys"),),
        settings=("user-split",),
        metrics=("hit@1", "mrr@10"),
        percent=True,
        published=(PublishedReference("xcross", "table2", "user-split"),),
    )
    table = build_table(described, run_store, REGISTRY)
    cells = beside_published(described, table, REGISTRY)
    assert [cell.printed for cell in cells] == pytest.approx([0.0836, 0.1613])
    assert [cell.verdict for cell in cells] == ["at or above", "below"]
    text = render_beside(cells, "text", described.percent)
    assert "Ours (%)" in text
    for figure in (" 9.00 ", " 8.36 ", "+0.64", "16.13", "-7.13"):
        assert figure in text
    line = next(csv.DictReader(io.StringIO(render_beside(cells, "csv", described.percent))))
    assert (line["ours_percent"], line["printed_percent"], line["difference_percent"]) == ("9.0", "8.36", "0.64")
    near = replace(cells[1], verdict=verdict(0.15, 0.1613))
    assert "within 2.00" in render_beside([near], "text", percent=True)
    assert json.loads(render_beside(cells, "json", described.percent))[0]["ours"] == pytest.approx(0.09)


def test_an_integrating_method_on_another_backbone_is_not_compared(run_store: RunStore) -> None:
    known = Registry({"xcross": Entry("xcross", "integrating", runs_on="encoder")}, {})
    described = experiment(
        "xcross",
        datasets=(ExperimentDataset("toys-2018", "Toys"),),
        settings=("user-split",),
        metrics=("hit@1",),
        published=(PublishedReference("xcross", "table2", "user-split"),),
    )
    cells = beside_published(described, build_table(described, run_store, known), known)
    assert [cell.verdict for cell in cells] == [
        "not comparable: backbone minilm instead of the paper's microsoft/deberta-v3-base"
    ]


def test_a_row_that_is_not_made_on_a_dataset_has_no_counterpart_there(run_store: RunStore) -> None:
    datasets = (ExperimentDataset("beauty", "Beauty"), ExperimentDataset("sports", "Sports", methods=("bpr",)))
    reproduces = (PaperPlace("reccocktail", "table1"),)
    cells = beside(run_store, "bpr", "unisrec", datasets=datasets, reproduces=reproduces)
    verdicts = {(cell.row, cell.dataset): cell.verdict for cell in cells}
    assert (verdicts["BPR", "sports"], verdicts["UNISREC", "beauty"]) == ("not run", "not run")
    assert ("UNISREC", "sports") not in verdicts
    assert verdicts["UniSRec", "Sports"] == "no counterpart: not run on this dataset"


def test_all_reasons_are_given(run_store: RunStore) -> None:
    cold = (PublishedReference("reccocktail", "table2", "cold", "other cold items"),)
    described = {"datasets": (ExperimentDataset("ml-1m", "ML-1M"),), "settings": ("cold",), "published": cold}
    verdicts = {cell.verdict for cell in beside(run_store, "reccocktail", **described)}
    assert verdicts == {
        "not comparable: backbone minilm instead of the paper's Qwen/Qwen2-7B-Instruct; different data (the paper "
        "reports 6,883 movies, the public dataset contains 3,706); other cold items"
    }


def test_a_smoke_run_is_compared_with_nothing(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 5, 9], limit_queries=10)
    cells = beside(run_store, "bpr", limit_queries=10, scale=SCALES["smoke"])
    assert {cell.verdict for cell in cells} == {"not comparable: scale smoke"}


def test_learning_from_other_sources_is_a_reason_where_a_method_uses_any() -> None:
    known = Registry(
        {name: Entry(name, "transferable", needs_sources=name == "unisrec") for name in ("unisrec", "fmlp")}, {}
    )
    weaverec = (PublishedReference("weaverec", "table1", "warm"),)
    datasets = (ExperimentDataset("sports", "Sports", ("beauty", "clothing", "grocery")),)
    others = (ExperimentDataset("sports", "Sports", ("toys",)),)

    def verdicts(method: str, datasets: tuple[ExperimentDataset, ...]) -> set[str]:
        described = experiment(method, datasets=datasets, published=weaverec)
        store = RunStore(Path("/nowhere"))
        return {cell.verdict for cell in beside_published(described, build_table(described, store, known), known)}

    assert verdicts("unisrec", datasets) == {"not run"}
    assert verdicts("unisrec", others) == {"not comparable: different source datasets"}
    assert verdicts("fmlp", others) == {"not run"}


def test_what_a_reproduced_table_prints_beyond_ours_is_listed_at_the_end(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 5, 9])
    cells = beside(run_store, "bpr", reproduces=(PaperPlace("reccocktail", "table1"),))
    assert len(cells) == 15 * 4 * 2
    rest = {(cell.row, cell.dataset): cell.verdict for cell in cells[2:]}
    assert rest["SASRec", "Beauty"] == "no counterpart: no such row here"
    assert rest["BPR-MF", "Toys"] == "no counterpart: no such column here"
    assert "120 published scores: 2 at or above, 118 no counterpart." in render_beside(cells, "text")
