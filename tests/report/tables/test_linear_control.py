from __future__ import annotations

from dataclasses import replace

import pytest

from bench.plugin import AdapterReport, FitReport, TrainingReport
from bench.report.tables.build import build_table
from bench.report.tables.table import Table
from bench.runs.store import RunStore
from tests.support.small_tables import REGISTRY, Save, experiment, ranks

TRAINED = FitReport(training=TrainingReport(epochs=9, ended="converged"))
ADAPTER = AdapterReport("id", n_steps=9)
MERGED = FitReport(adapters={"general": ADAPTER, "target": ADAPTER})
READER = {"backbone": "minilm", "fit": TRAINED}


@pytest.fixture
def stored(run_store: RunStore, save_run: Save) -> RunStore:
    """Trained text methods above and below the linear map, and a merge and an ID-based method below it."""
    save_run("text-linear", ranks(0, 6), **READER, family="control")
    save_run("unisrec", ranks(0, 2), **READER, family="transferable")
    save_run("recformer", ranks(0, 30), **READER, family="transferable")
    save_run("weight-average", ranks(0, 30), backbone="minilm", fit=MERGED, family="merging")
    save_run("sasrec", ranks(0, 30), fit=TRAINED, family="sequential")
    save_run("text-knn", ranks(0, 30), backbone="minilm", family="control")
    return run_store


def table_of(store: RunStore, *methods: str, explained: str = "") -> Table:
    asked = experiment(*methods)
    rows = [replace(row, backbone=None if row.method == "sasrec" else "minilm") for row in asked.rows]
    rows = [replace(row, explained=explained) if row.method == "recformer" else row for row in rows]
    return build_table(replace(asked, rows=tuple(rows)), store, REGISTRY)


ALL = ("text-linear", "unisrec", "recformer", "weight-average", "sasrec", "text-knn")


def test_the_caption_names_a_trained_text_method_below_the_linear_map(stored: RunStore) -> None:
    said = "Unexplained, below TEXT-LINEAR in NDCG@1: RECFORMER (Beauty, warm)."
    assert table_of(stored, *ALL).caption.endswith(said)


def test_an_explanation_is_printed_below_the_table_instead(stored: RunStore) -> None:
    table = table_of(stored, *ALL, explained="its encoder reads attributes alone.")
    assert "Unexplained" not in table.caption
    assert "RECFORMER: its encoder reads attributes alone." in table.footnotes


def test_without_the_linear_map_nothing_is_said(stored: RunStore) -> None:
    assert "Unexplained" not in table_of(stored, *ALL[1:]).caption
