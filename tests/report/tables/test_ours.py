"""Rows that are ours: against the best baseline, with their own star and correction."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from bench.errors import BenchError
from bench.experiments.experiment import ExperimentRow
from bench.metrics import Metric, Ranks, per_user
from bench.report.formats.render import render_table
from bench.report.tables.build import build_table, stored_table
from bench.report.tables.options import TableOptions
from bench.runs.store import RunStore
from bench.significance.tests import holm
from tests.support.small_tables import REGISTRY, N, Save, column, experiment, ranks

OURS = TableOptions(ours=("bpr",))


@pytest.fixture
def gains(save_run: Save) -> dict[str, np.ndarray]:
    """Stored runs of four methods, and their NDCG@1 per user."""
    found = {}
    for number, (method, highest) in enumerate({"bpr": 5, "fmlp": 6, "sasrec": 3, "random": 30}.items()):
        save_run(method, ranks(number, highest))
        found[method] = per_user(Ranks(np.array(ranks(number, highest)), np.zeros(N, int)), Metric("ndcg", 1))
    return found


def test_our_star_follows_holm_over_our_rows_and_all_baselines(
    run_store: RunStore, gains: dict[str, np.ndarray]
) -> None:
    rows = tuple(ExperimentRow(name, name, ours=name in ("bpr", "sasrec")) for name in gains)
    cells = column(build_table(experiment(rows=rows, star_style="ours"), run_store, REGISTRY))
    pairs = [(own, other) for own in ("bpr", "sasrec") for other in ("fmlp", "random")]
    p_values = [scipy.stats.ttest_rel(gains[own], gains[other]).pvalue for own, other in pairs]
    corrected = dict(zip(pairs, holm(p_values), strict=True))
    for own in ("bpr", "sasrec"):
        assert cells[own].over_baseline is not None
        assert cells[own].over_baseline.p_corrected == pytest.approx(corrected[own, "fmlp"])
        assert cells[own].over_baseline.family_size == 4
        is_ahead = gains[own].mean() > gains["fmlp"].mean()
        assert cells[own].starred == (is_ahead and corrected[own, "fmlp"] < 0.05)
    assert cells["sasrec"].starred
    assert cells["fmlp"].over_baseline is None
    assert cells["random"].p_corrected == pytest.approx(cells["random"].p * 3, rel=2)  # against the best, as ever


def test_a_row_of_ours_below_the_best_baseline_has_no_star(run_store: RunStore, gains: dict[str, np.ndarray]) -> None:
    table = build_table(experiment(*gains), run_store, REGISTRY, OURS)
    cells = column(table)
    assert not any(cell.starred for cell in cells.values())
    assert cells["sasrec"].best
    assert cells["bpr"].over_baseline is not None
    assert "*: ours, significantly better than the best baseline" in table.caption
    assert "comparisons of ours with all baselines (3 comparisons)" in table.caption


def test_the_marks_of_a_file_can_be_changed(run_store: RunStore, gains: dict[str, np.ndarray]) -> None:
    best = build_table(experiment(*gains), run_store, REGISTRY, replace(OURS, marks="star"))
    assert column(best)["sasrec"].starred
    assert best.rows[0].ours
    letters = build_table(experiment(*gains), run_store, REGISTRY, TableOptions(marks="letters"))
    assert column(letters)["sasrec"].better_than


def test_marks_for_ours_need_such_a_row_and_names_need_a_row(run_store: RunStore, gains: dict[str, np.ndarray]) -> None:
    with pytest.raises(BenchError, match="--marks ours needs a row that is ours"):
        build_table(experiment(*gains), run_store, REGISTRY, TableOptions(marks="ours"))
    with pytest.raises(BenchError, match=r"--ours sasrek: .* Did you mean sasrec\?"):
        build_table(experiment(*gains), run_store, REGISTRY, TableOptions(ours=("sasrek",)))


def test_reference_rows_that_are_ours_have_no_star(run_store: RunStore, gains: dict[str, np.ndarray]) -> None:
    rows = tuple(ExperimentRow(name, name, reference=name == "sasrec") for name in gains)
    cells = column(build_table(experiment(rows=rows), run_store, REGISTRY, TableOptions(ours=("sasrec",))))
    assert not cells["sasrec"].starred


def test_only_tables_with_ours_have_its_fields(run_store: RunStore, gains: dict[str, np.ndarray]) -> None:
    described = experiment(*gains)
    plain, owned = (build_table(described, run_store, REGISTRY, options) for options in (TableOptions(), OURS))
    assert "ours" not in json.loads(render_table(plain, "json"))["rows"][0]
    assert json.loads(render_table(owned, "json"))["rows"][0]["ours"] is True
    line = next(csv.DictReader(io.StringIO(render_table(owned, "csv"))))
    assert (line["ours"], line["baseline_family_size"]) == ("1", "3")
    assert float(line["p_over_baseline"]) <= float(line["p_over_baseline_corrected"])
    assert "p_over_baseline" not in render_table(plain, "csv")


def test_numbers_are_shown_with_the_digits_and_unit_of_the_options(
    run_store: RunStore, gains: dict[str, np.ndarray]
) -> None:
    options = TableOptions(percent=True, precision=1, caption="My caption.", improvement="column", mean_rank=True)
    table = stored_table("beauty", "warm", ("ndcg@1",), run_store, REGISTRY, options=options)
    assert {row.method: row.cells[0].text for row in table.rows}["bpr"] == f"{100 * gains['bpr'].mean():.1f}"
    assert table.caption.startswith("My caption. ")
    text = render_table(table, "text")
    assert "NDCG@1 (%)" in text
    assert "Mean rank" in text
    lines = list(csv.DictReader(io.StringIO(render_table(table, "csv"))))
    by_method = {line["method"]: line for line in lines}
    expected = 100 * (gains["sasrec"].mean() / gains["bpr"].mean() - 1)
    assert float(by_method["bpr"]["improvement_percent"]) == pytest.approx(expected)
    assert float(by_method["bpr"]["mean_improvement_percent"]) == pytest.approx(expected)
    assert by_method["sasrec"]["improvement_percent"] == ""
    assert float(by_method["sasrec"]["mean_rank"]) == 1.0


def test_every_printed_format_has_the_row_and_the_columns_of_improvements(
    run_store: RunStore, gains: dict[str, np.ndarray]
) -> None:
    options = replace(OURS, improvement="both", mean_rank=True)
    table = build_table(experiment(*gains), run_store, REGISTRY, options)
    assert render_table(table, "html").count("<th>Improv. (%)</th>") == 1
    assert render_table(table, "html").count("<td>") + render_table(table, "html").count("<td ") == 5 * 4
    rows = [line for line in render_table(table, "markdown").splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {6}
    assert rows[-1].startswith("| Improv. (%) | −")
    assert r"Improv. (\%) & $-$" in render_table(table, "latex")
    assert "{lrrrr}" in render_table(table, "latex")


def test_the_only_row_of_a_column_is_not_bold(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 6))
    save_run("random", [0] * N, [29] * N, family="control")
    table = build_table(experiment("bpr", "random"), run_store, REGISTRY)
    assert not any(cell.best or cell.starred for row in table.rows for cell in row.cells)
    assert r"\textbf" not in render_table(table, "latex")
