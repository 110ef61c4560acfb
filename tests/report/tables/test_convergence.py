from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.plugin import FitReport, TrainingReport
from bench.plugin.fit_report import Ending
from bench.report.tables.build import build_table
from bench.report.tables.convergence import require_converged
from bench.report.tables.table import Table
from bench.runs.store import RunStore
from tests.support.small_tables import REGISTRY, Save, experiment, ranks


def ended(ending: Ending, **fields: object) -> FitReport:
    return FitReport(training=TrainingReport(epochs=9, ended=ending), **fields)  # type: ignore[arg-type]


@pytest.fixture
def table(run_store: RunStore, save_run: Save) -> Table:
    """A row that trains nothing, a converged one, one rising in both places, and one that converged in one of them."""
    fits = {
        "popularity": (FitReport(), FitReport()),
        "sasrec": (ended("converged"), ended("converged")),
        "lora": (ended("rising"), ended("budget")),
        "bpr": (ended("converged"), ended("budget")),
    }
    for method, of_settings in fits.items():
        for setting, fit in zip(("warm", "cold"), of_settings, strict=True):
            save_run(method, ranks(1, 6), setting=setting, fit=fit)
    return build_table(experiment(*fits, settings=("warm", "cold")), run_store, REGISTRY)


def test_a_row_that_converged_nowhere_has_the_arrow_and_one_that_did_somewhere_has_it_at_its_figures(
    table: Table,
) -> None:
    assert [row.marks for row in table.rows] == [(), (), ("↗",), ()]
    assert [[cell.arrow for cell in row.cells] for row in table.rows[2:]] == [[False] * 4, [False, False, True, True]]


def test_the_caption_counts_the_rows_by_their_worst_ending(table: Table) -> None:
    said = (
        "↗: not trained to convergence (2 of 3 trained rows: validation was still rising (1), the training budget ran "
        "out (1))."
    )
    assert table.caption.endswith(said)


def test_of_several_seeds_the_worst_counts(run_store: RunStore, save_run: Save) -> None:
    for seed, ending in enumerate(("converged", "unknown")):
        save_run("bpr", ranks(seed, 6), seed=seed, fit=ended(ending))  # type: ignore[arg-type]
    table = build_table(experiment("bpr", seeds=(0, 1)), run_store, REGISTRY)
    assert {cell.ended for cell in table.rows[0].cells} == {"unknown"}


def test_a_strict_table_names_the_rows_and_what_to_do(table: Table) -> None:
    with pytest.raises(BenchError, match=r"LORA \(rising\), BPR \(budget\)\. Run these again with a higher -p epochs"):
        require_converged(table)


def test_a_table_of_converged_rows_says_nothing_and_is_allowed(run_store: RunStore, save_run: Save) -> None:
    save_run("sasrec", ranks(1, 6), fit=ended("converged"))
    save_run("popularity", ranks(1, 9))
    table = build_table(experiment("sasrec", "popularity"), run_store, REGISTRY)
    require_converged(table)
    assert "↗" not in table.caption


def test_a_stage_that_nothing_checked_is_named_below_the_table(run_store: RunStore, save_run: Save) -> None:
    save_run("unisrec", ranks(1, 6), fit=ended("converged", stages={"pretraining": TrainingReport(epochs=5)}))
    save_run("sasrec", ranks(1, 9), fit=ended("converged"))
    table = build_table(experiment("unisrec", "sasrec"), run_store, REGISTRY)
    assert "Pre-trained for a fixed number of epochs without validation: UNISREC." in table.footnotes
    assert table.rows[0].marks == ()
