from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest
import scipy.stats

from bench.errors import BenchError
from bench.experiments.experiment import ExperimentRow
from bench.files.rounding import rounded
from bench.metrics import Metric, Ranks, per_user
from bench.report.formats.render import render_table
from bench.report.tables.build import build_table, stored_table
from bench.runs.store import RunStore
from bench.significance.tests import holm
from tests.support.small_tables import REGISTRY, N, Save, column, experiment, ranks


def test_cells_hold_means_intervals_and_runs(run_store: RunStore, save_run: Save) -> None:
    saved = save_run("bpr", ranks(0, 6))
    cell = build_table(experiment("bpr"), run_store, REGISTRY).rows[0].cells[0]
    assert cell.value == pytest.approx(saved.metrics["ndcg@1"]["value"])
    assert (cell.low, cell.high) == pytest.approx((saved.metrics["ndcg@1"]["low"], saved.metrics["ndcg@1"]["high"]))
    assert (cell.n, cell.n_seeds, cell.run_ids, cell.sd) == (N, 1, (saved.id,), None)
    assert cell.text == f"{cell.value:.4f}"


def test_best_and_second_are_marked_in_each_column(run_store: RunStore, save_run: Save) -> None:
    for method, highest in (("random", 30), ("bpr", 4), ("sasrec", 8)):
        save_run(method, ranks(1, highest))
    table = build_table(experiment("random", "bpr", "sasrec"), run_store, REGISTRY)
    for number in range(2):
        cells = column(table, number)
        assert [method for method, cell in cells.items() if cell.best] == ["bpr"]
        assert [method for method, cell in cells.items() if cell.second] == ["sasrec"]


def test_the_star_follows_the_holm_corrected_test_against_the_second(run_store: RunStore, save_run: Save) -> None:
    sizes = {"random": 30, "bpr": 4, "sasrec": 5}
    values = {}
    for method, highest in sizes.items():
        save_run(method, ranks(2, highest))
        values[method] = per_user(Ranks(np.array(ranks(2, highest)), np.zeros(N, int)), Metric("ndcg", 1))
    cells = column(build_table(experiment(*sizes), run_store, REGISTRY))
    p_values = [scipy.stats.ttest_rel(values["bpr"], values[rival]).pvalue for rival in ("random", "sasrec")]
    corrected = dict(zip(("random", "sasrec"), holm(p_values), strict=True))
    assert {method: cells[method].p_corrected for method in corrected} == pytest.approx(corrected)
    assert cells["bpr"].starred == (corrected["sasrec"] < 0.05)
    assert not cells["sasrec"].starred


def test_a_clear_winner_is_starred_and_a_close_one_is_not(run_store: RunStore, save_run: Save) -> None:
    base = ranks(3, 6)
    save_run("bpr", base)
    save_run("sasrec", [0, *base[1:]] if base[0] else [*base[:-1], 0])
    save_run("random", ranks(4, 30))
    close = column(build_table(experiment("bpr", "sasrec", "random"), run_store, REGISTRY))
    clear = column(build_table(experiment("bpr", "random"), run_store, REGISTRY))
    assert not any(cell.starred for cell in close.values())
    assert clear["bpr"].starred


@pytest.mark.parametrize("test", ["t-test", "wilcoxon", "permutation"])
def test_each_test_can_earn_the_star(run_store: RunStore, save_run: Save, test: Any) -> None:
    save_run("bpr", ranks(3, 3))
    save_run("random", ranks(4, 30))
    assert column(build_table(experiment("bpr", "random", test=test), run_store, REGISTRY))["bpr"].starred


def test_a_metric_left_out_of_the_star_is_not_tested(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(3, 3))
    save_run("random", ranks(4, 30))
    table = build_table(experiment("bpr", "random", star_metrics=("ndcg@1",)), run_store, REGISTRY)
    assert column(table, 0)["bpr"].starred
    assert column(table, 1)["bpr"].best
    assert not column(table, 1)["bpr"].starred


def test_equal_rows_share_the_mark_without_a_star(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(3, 3))
    save_run("sasrec", ranks(3, 3))
    save_run("random", ranks(4, 30))
    cells = column(build_table(experiment("bpr", "sasrec", "random"), run_store, REGISTRY))
    assert cells["bpr"].best
    assert cells["sasrec"].best
    assert cells["random"].second
    assert not any(cell.starred for cell in cells.values())


def test_references_and_toys_are_shown_but_take_no_mark(run_store: RunStore, save_run: Save) -> None:
    save_run("oracle", [0] * N, family="control")
    save_run("lora", ranks(5, 2), backbone="minilm", sources=("clothing",), toy=True)
    save_run("bpr", ranks(5, 4))
    save_run("random", ranks(5, 30))
    table = build_table(experiment("oracle", "lora", "bpr", "random"), run_store, REGISTRY)
    cells = column(table)
    assert cells["oracle"].value == 1.0
    assert [method for method, cell in cells.items() if cell.best] == ["bpr"]
    assert [method for method, cell in cells.items() if cell.second] == ["random"]
    assert cells["oracle"].p_corrected is None
    assert cells["lora"].p_corrected is None
    assert {row.method: row.marks for row in table.rows}["lora"] == ("†toy",)
    assert any("toy language model" in note for note in table.footnotes)
    assert any("Reference rows (not ranked): ORACLE" in note for note in table.footnotes)


def test_a_row_the_experiment_calls_a_reference_takes_no_mark(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(5, 2))
    save_run("random", ranks(5, 30))
    rows = (ExperimentRow("bpr", "BPR", reference=True), ExperimentRow("random", "Random"))
    table = build_table(experiment(rows=rows), run_store, REGISTRY)
    assert not any(cell.best or cell.second for row in table.rows for cell in row.cells)


def test_transductive_rows_can_win_and_are_explained(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(5, 2), transductive=True)
    save_run("random", ranks(5, 30))
    table = build_table(experiment("bpr", "random"), run_store, REGISTRY)
    assert table.rows[0].marks == ("‡",)
    assert table.rows[0].cells[0].best
    assert any(note.startswith("‡") for note in table.footnotes)


def test_a_row_of_some_settings_only_is_no_missing_run_in_the_others(run_store: RunStore) -> None:
    rows = (ExperimentRow("bpr", "BPR", settings=("cold",)),)
    table = build_table(experiment(rows=rows, settings=("warm", "cold")), run_store, REGISTRY)
    assert [cell.text for cell in table.rows[0].cells] == ["–"] * 4
    assert [command.split(" --setting ")[1].split()[0] for command in table.missing] == ["cold"]


def test_a_missing_run_is_a_dash_and_a_command(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 6))
    table = build_table(experiment("bpr", "sasrec", settings=("warm", "cold")), run_store, REGISTRY)
    assert [cell.text == "–" for cell in table.rows[1].cells] == [True] * 4
    assert len(table.missing) == 3
    assert table.missing[0].startswith("bench run --method bpr --dataset beauty --setting cold")


def test_runs_on_different_candidates_are_refused_by_name(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 6))
    save_run("sasrec", ranks(0, 6), candidates_hash="another")
    with pytest.raises(BenchError, match=r"bpr@beauty@warm@seed0 .*sasrec@beauty@warm@seed0 .*different candidates"):
        build_table(experiment("bpr", "sasrec"), run_store, REGISTRY)


def test_different_candidates_in_different_columns_are_fine(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 6))
    save_run("bpr", ranks(0, 6), setting="cold")
    table = build_table(experiment("bpr", settings=("warm", "cold")), run_store, REGISTRY)
    assert [group.candidates_hash for group in table.groups] == ["hash-beauty-warm", "hash-beauty-cold"]


def test_runs_over_different_users_are_refused_by_name(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 2], users=[1, 2, 3])
    save_run("sasrec", [0, 1, 2], users=[1, 2, 4])
    with pytest.raises(BenchError, match=r"bpr@beauty.* and sasrec@beauty.* scored different users"):
        build_table(experiment("bpr", "sasrec"), run_store, REGISTRY)


def test_a_table_of_stored_runs_needs_no_experiment(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 4))
    save_run("sasrec", ranks(0, 9), family="sequential")
    table = stored_table("beauty", "warm", ("mrr@5",), run_store, REGISTRY)
    assert [row.label for row in table.rows] == ["bpr", "sasrec"]
    assert table.rows[0].cells[0].best
    assert table.rows[0].cells[0].low is not None
    assert table.missing == ()


def test_a_table_in_percent_has_two_decimals_a_head_that_says_so_and_fractions_as_values(
    run_store: RunStore, save_run: Save
) -> None:
    save_run("bpr", [0] * 13 + [20] * 187, seed=0)
    save_run("bpr", [0] * 15 + [20] * 185, seed=1)
    described = experiment("bpr", "sasrec", metrics=("hit@1", "mrr@10"), seeds=(0, 1), percent=True)
    table = build_table(described, run_store, REGISTRY)
    cell = table.rows[0].cells[0]
    assert (cell.text, cell.value) == ("7.00 ± 0.71", pytest.approx(0.07))
    assert "Scores in percent." in table.caption
    assert "percent" not in build_table(experiment("bpr"), run_store, REGISTRY).caption
    for output_format, head in (("text", "Hit@1 (%)"), ("markdown", "Hit@1 (%)"), ("html", "Hit@1 (%)"),
                                ("latex", r"Hit@1 (\%)")):  # fmt: skip
        text = render_table(table, output_format)
        assert head in text
        assert "7.00" in text
    line = next(csv.DictReader(io.StringIO(render_table(table, "csv"))))
    assert float(line["value_percent"]) == 7.0
    assert float(line["low_percent"]) < 7.0 < float(line["high_percent"])
    assert "value" not in line
    assert json.loads(render_table(table, "json"))["percent"]


def test_each_rival_says_how_far_behind_the_best_it_is(run_store: RunStore, save_run: Save) -> None:
    sizes = {"bpr": 4, "sasrec": 5, "random": 30}
    gains = {}
    for method, highest in sizes.items():
        save_run(method, ranks(2, highest))
        gains[method] = per_user(Ranks(np.array(ranks(2, highest)), np.zeros(N, int)), Metric("ndcg", 3))
    cells = column(build_table(experiment(*sizes), run_store, REGISTRY), 1)
    differences = gains["bpr"] - gains["sasrec"]
    found = cells["sasrec"].behind_best
    assert found.difference == pytest.approx(differences.mean())
    assert found.low < found.difference < found.high
    assert found.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    counts = [int((np.sign(np.round(differences, 12)) == sign).sum()) for sign in (1, 0, -1)]
    assert [found.wins, found.ties, found.losses] == counts
    assert cells["sasrec"].p == pytest.approx(scipy.stats.ttest_rel(gains["bpr"], gains["sasrec"]).pvalue)
    assert cells["sasrec"].family_size == 2
    assert cells["bpr"].behind_best is None


def test_csv_and_json_carry_all_of_a_comparison(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(2, 4))
    save_run("random", ranks(2, 30))
    table = build_table(experiment("bpr", "random"), run_store, REGISTRY)
    cell = table.rows[1].cells[0]
    line = list(csv.DictReader(io.StringIO(render_table(table, "csv"))))[2]
    assert float(line["behind_best"]) == cell.behind_best.difference
    behind = rounded(dataclasses.asdict(cell.behind_best))
    assert float(line["behind_best_low"]) == behind["low"]
    assert float(line["behind_best_high"]) == behind["high"]
    assert float(line["effect_size"]) == behind["effect_size"]
    p_values = rounded({"p": cell.p, "p_corrected": cell.p_corrected})
    assert {name: float(line[name]) for name in p_values} == p_values
    assert line["family_size"] == "1"
    assert sum(int(line[name]) for name in ("wins_of_best", "ties_with_best", "losses_of_best")) == N
    assert json.loads(render_table(table, "json"))["rows"][1]["cells"][0]["behind_best"] == behind
    percent = build_table(experiment("bpr", "random", percent=True), run_store, REGISTRY)
    in_percent = list(csv.DictReader(io.StringIO(render_table(percent, "csv"))))[2]
    assert float(in_percent["behind_best_percent"]) == pytest.approx(100 * cell.behind_best.difference)


def test_letters_name_the_rows_that_are_lower_after_holm_over_all_pairs(run_store: RunStore, save_run: Save) -> None:
    sizes = {"bpr": 3, "sasrec": 3, "fmlp": 6, "random": 30}
    gains = {}
    for number, (method, highest) in enumerate(sizes.items()):
        save_run(method, ranks(number, highest))
        gains[method] = per_user(Ranks(np.array(ranks(number, highest)), np.zeros(N, int)), Metric("ndcg", 1))
    save_run("oracle", [0] * N, family="control")
    described = experiment(*sizes, "oracle", star_style="letters", metrics=("ndcg@1",))
    table = build_table(described, run_store, REGISTRY)
    names = dict(zip(sizes, "abcd", strict=True))
    pairs = [(a, b) for a in sizes for b in sizes if gains[a].mean() > gains[b].mean()]
    assert len(pairs) == 6
    corrected = holm([scipy.stats.ttest_rel(gains[a], gains[b]).pvalue for a, b in pairs])
    lower: dict[str, list[str]] = {name: [] for name in sizes}
    for (a, b), p in zip(pairs, corrected, strict=True):
        lower[a] += [names[b]] if p < 0.05 else []
    cells = column(table)
    assert {name: list(cells[name].better_than) for name in sizes} == {k: sorted(v) for k, v in lower.items()}
    assert [row.letter for row in table.rows] == ["a", "b", "c", "d", ""]
    assert not any(cell.starred for cell in cells.values())
    assert cells["oracle"].better_than == ()
    assert "<sup>" in render_table(table, "markdown")
    assert r"\textsuperscript{" in render_table(table, "latex")


def test_rows_of_stored_runs_are_grouped_by_family(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 4))
    save_run("sasrec", ranks(0, 9), family="sequential")
    table = stored_table("beauty", "warm", ("ndcg@1",), run_store, REGISTRY)
    assert [row.group for row in table.rows] == ["Collaborative", "Sequential"]
    assert r"{l}{\textit{Sequential}}" in render_table(table, "latex")


def test_recall_map_and_auc_are_columns_with_known_values(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 29, 2], [0, 1, 0, 0])
    table = stored_table("beauty", "warm", ("recall@3", "hit@3", "map@2", "mrr@2", "auc"), run_store, REGISTRY)
    recall, hit, mean_precision, reciprocal, auc = table.rows[0].cells
    assert recall.value == pytest.approx(3 / 4)
    assert (recall.value, recall.low, recall.high) == (hit.value, hit.low, hit.high)
    assert mean_precision.value == reciprocal.value == pytest.approx((1 + 1 / 4) / 4)
    assert auc.value == pytest.approx((1 + 27.5 / 29 + 0 + 27 / 29) / 4)
    text = render_table(table, "text")
    assert all(title in text for title in ("Recall@3", "MAP@2", "AUC"))


def test_the_auc_per_user_is_not_known_in_full_ranking(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 40], catalogue={"n_items": 50})
    with pytest.raises(BenchError, match="AUC of bpr@beauty@warm@full@seed0 is only known as a mean"):
        stored_table("beauty", "warm", ("auc",), run_store, REGISTRY)


def test_runs_with_other_numbers_of_negatives_have_columns_of_their_own(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 2])
    save_run("bpr", [0, 1, 60], n_negatives=99, candidates_hash="hash-99")
    table = stored_table("beauty", "warm", ("ndcg@1", "auc"), run_store, REGISTRY)
    assert sorted(group.title for group in table.groups) == ["beauty, warm", "beauty, warm, 99 negatives"]
    assert "One positive among 30 or 100 candidates" in table.caption
    by_title = {group.title: table.rows[0].cells[2 * number + 1] for number, group in enumerate(table.groups)}
    assert by_title["beauty, warm, 99 negatives"].value == pytest.approx((1 + 98 / 99 + 39 / 99) / 3)


def test_an_experiment_finds_the_runs_of_its_number_of_negatives(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1, 2])
    table = build_table(experiment("bpr", n_negatives=99), run_store, REGISTRY)
    assert table.rows[0].cells[0].value is None
    assert "--n-negatives 99" in table.missing[0]
    assert "One positive among 100 candidates" in table.caption
    saved = save_run("bpr", [0, 1, 60], n_negatives=99)
    assert build_table(experiment("bpr", n_negatives=99), run_store, REGISTRY).run_ids == (saved.id,)
