from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow
from bench.experiments.scaling import scaled
from bench.plugin import Entry
from bench.registry import Registry
from bench.report.formats.render import render_table
from bench.report.tables.agreement import agreement, beyond_noise
from bench.report.tables.build import build_table, stored_table
from bench.report.tables.caption import Star
from bench.report.tables.table import CatalogueGroup, ColumnGroup
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
REGISTRY = Registry({name: Entry(name, "general", ranks_catalogue=True) for name in "abc"}, {})
coarse = st.integers(0, 5).map(lambda value: value / 10)


@given(st.lists(st.tuples(coarse, coarse), min_size=2, max_size=12))
def test_tau_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    found = agreement(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found.tau is None
    else:
        assert found.tau == pytest.approx(scipy.stats.kendalltau(first, second).statistic)


def test_one_swap_of_three_rows_is_named_with_the_first_columns_order() -> None:
    found = agreement([0.3, 0.2, 0.1], [0.2, 0.3, 0.1])
    assert found.tau == pytest.approx(1 / 3)
    assert found.swapped == ((0, 1),)
    assert agreement([0.2, 0.3, 0.1], [0.3, 0.2, 0.1]).swapped == ((1, 0),)


def test_a_tie_in_one_column_is_no_swap() -> None:
    found = agreement([0.2, 0.2], [0.1, 0.3])
    assert (found.tau, found.swapped) == (None, ())


@pytest.fixture
def save_full(save_run: Save) -> Save:
    """Store a run that ranked a catalogue of 500 items."""
    return partial(save_run, catalogue={"n_items": 500.0}, candidates_hash="rule")


def experiment(*methods: str, candidates: Any = ("sampled", "full")) -> Experiment:
    return Experiment(
        name="small",
        caption="A small table.",
        rows=tuple(ExperimentRow(method, method.upper()) for method in methods),
        datasets=(ExperimentDataset("beauty", "Beauty"),),
        settings=("warm",),
        metrics=("ndcg@3", "hit@1"),
        candidates=candidates,
    )


def fill(save_run: Save, save_full: Save) -> None:
    for method, listed, full in (("a", [0, 0, 0], [9, 9, 0]), ("b", [0, 0, 9], [0, 0, 400]), ("c", [9] * 3, [499] * 3)):
        save_full(method, full)
        save_run(method, listed)


def test_both_kinds_stand_side_by_side_with_tau_and_the_swap(
    run_store: RunStore, save_run: Save, save_full: Save
) -> None:
    fill(save_run, save_full)
    table = build_table(experiment("a", "b", "c"), run_store, REGISTRY)
    assert table.missing == ()
    assert [group.title for group in table.groups] == ["Beauty, warm, 29 negatives", "Beauty, warm, full catalogue"]
    assert isinstance(table.groups[1], CatalogueGroup)
    assert (table.groups[0].candidates_hash, table.groups[1].candidates_hash) == ("hash-beauty-warm", "rule")
    assert table.groups[1].n_items == 500
    assert [cell.value for cell in table.rows[1].cells] == pytest.approx([2 / 3] * 4)
    assert [cell.value for cell in table.rows[0].cells] == pytest.approx([1, 1, 1 / 3, 1 / 3])
    assert table.footnotes[0] == (
        "Agreement of Beauty, warm, 29 negatives and Beauty, warm, full catalogue on 3 rows by NDCG@3: "
        "Kendall's τ-b = 0.33. Only in the first: A above B. No pair is significant in both (p < 0.05, "
        "two-sided paired t-test over users, Holm-corrected over 2 differences)."
    )
    assert "on 3 rows by Hit@1" in table.footnotes[1]
    assert "One positive among 30 candidates or the full catalogue (500 items, except those" in table.caption


@pytest.mark.parametrize("output_format", ["text", "markdown", "latex", "html", "json", "csv"])
def test_every_format_holds_both(run_store: RunStore, save_run: Save, save_full: Save, output_format: str) -> None:
    fill(save_run, save_full)
    text = render_table(build_table(experiment("a", "b", "c"), run_store, REGISTRY), output_format)
    assert ("full" if output_format == "csv" else "full catalogue") in text
    if output_format == "csv":
        lines = list(csv.DictReader(io.StringIO(text)))
        assert [line["candidates"] for line in lines[:4]] == ["sampled", "sampled", "full", "full"]


def test_a_table_of_lists_alone_is_as_it_was(run_store: RunStore, save_run: Save, save_full: Save) -> None:
    fill(save_run, save_full)
    table = build_table(experiment("a", "b", "c", candidates=("sampled",)), run_store, REGISTRY)
    assert [group.title for group in table.groups] == ["Beauty, warm"]
    assert type(table.groups[0]) is ColumnGroup
    assert not any("Kendall" in note for note in table.footnotes)
    assert "candidates" not in next(csv.reader(io.StringIO(render_table(table, "csv"))))


def test_a_missing_full_run_names_its_command_and_a_method_of_lists_alone_has_none(
    run_store: RunStore, save_run: Save
) -> None:
    save_run("a", [0, 1])
    known = Registry({"a": Entry("a", "general", ranks_catalogue=True), "lists": Entry("lists", "general")}, {})
    table = build_table(experiment("a", "lists"), run_store, known)
    assert table.missing == (
        "bench run --method a --dataset beauty --setting warm --full-ranking",
        "bench run --method lists --dataset beauty --setting warm",
    )


def test_stored_runs_of_both_kinds_get_columns_of_their_own(
    run_store: RunStore, save_run: Save, save_full: Save
) -> None:
    fill(save_run, save_full)
    table = stored_table("beauty", "warm", ["ndcg@3"], run_store, REGISTRY)
    assert sorted(group.title for group in table.groups) == ["beauty, warm", "beauty, warm, full catalogue"]
    assert [row.label for row in table.rows] == ["a", "b", "c"]
    assert "Only in the first: a above b. No pair" in table.footnotes[0]


def test_a_swap_beyond_noise_is_marked_and_one_within_it_is_not() -> None:
    rng = np.random.default_rng(0)

    def users(share: float) -> NDArray[np.float64]:
        return (rng.random(2000) < share).astype(np.float64)

    first = [users(share) for share in (0.8, 0.5, 0.51)]
    second = [users(share) for share in (0.2, 0.4, 0.39)]
    assert beyond_noise([(0, 1), (2, 1)], first, second, Star()) == [True, False]
    assert beyond_noise([], first, second, Star()) == []


def test_the_note_marks_what_is_beyond_noise(run_store: RunStore, save_run: Save, save_full: Save) -> None:
    rng = np.random.default_rng(0)
    for method, listed, full in (("a", 0.8, 0.2), ("b", 0.5, 0.4)):
        save_run(method, np.where(rng.random(2000) < listed, 0, 9))
        save_full(method, np.where(rng.random(2000) < full, 0, 99))
    note = build_table(experiment("a", "b"), run_store, REGISTRY).footnotes[0]
    assert "Kendall's τ-b = -1.00. Only in the first: A above B (!). (!): significant in both (p < 0.05, " in note


def test_rows_shown_for_orientation_have_no_part_in_tau(run_store: RunStore, save_run: Save, save_full: Save) -> None:
    fill(save_run, save_full)
    wanted = experiment("a", "b", "c")
    rows = (wanted.rows[0], replace(wanted.rows[1], reference=True), wanted.rows[2])
    table = build_table(replace(wanted, rows=rows), run_store, REGISTRY)
    assert "on 2 rows" in table.footnotes[0]
    assert "τ-b = 1.00. No pairs swap." in table.footnotes[0]


def test_letters_and_repetitions_stand_in_both_kinds_of_columns(
    run_store: RunStore, save_run: Save, save_full: Save
) -> None:
    rng = np.random.default_rng(0)
    for seed, subset in product((0, 1), (3, 4)):
        for method, listed, full in (("a", 0.8, 0.2), ("b", 0.5, 0.4)):
            facts: dict[str, Any] = {"seed": seed, "train_users": 50, "train_subset": subset}
            save_run(method, np.where(rng.random(2000) < listed, 0, 9), **facts)
            save_full(method, np.where(rng.random(2000) < full, 0, 99), **facts)
    wanted = experiment("a", "b")
    rows = tuple(replace(row, train_users=50) for row in wanted.rows)
    wanted = replace(wanted, rows=rows, seeds=(0, 1), train_subsets=(3, 4), star_style="letters")
    table = build_table(wanted, run_store, REGISTRY)
    assert table.missing == ()
    assert {cell.n_seeds for row in table.rows for cell in row.cells} == {4}
    assert [row.letter for row in table.rows] == ["a", "b"]
    assert [[cell.better_than for cell in row.cells] for row in table.rows] == [
        [("b",), ("b",), (), ()],
        [(), (), ("a",), ("a",)],
    ]
    assert "2 seeds and 2 subsets of training users" in table.caption
    assert "Only in the first: A above B (!)" in table.footnotes[0]
    assert len(list(wanted.cells())) == 2 * 2 * 2 * 2


def test_a_row_that_has_no_run_on_a_target_has_none_in_its_catalogue(run_store: RunStore) -> None:
    wanted = experiment("a", "b")
    rows = (replace(wanted.rows[0], sources=("beauty",)), wanted.rows[1])
    table = build_table(replace(wanted, rows=rows), run_store, REGISTRY)
    assert [command.split()[3] for command in table.missing] == ["b", "b"]
    assert [cell.request.full_ranking for cell in replace(wanted, rows=rows).cells()] == [False, True]


def test_full_ranking_of_a_scale_has_commands_and_files_of_its_own(
    run_store: RunStore, save_run: Save, save_full: Save
) -> None:
    small: dict[str, Any] = {"limit_queries": 10, "train_share": 0.02, "limit_validation": 20}
    save_run("a", [0, 9], **small)
    save_full("a", [0, 400], **small)
    save_full("b", [0, 0])
    wanted = scaled(experiment("a", "b", candidates=("sampled",)), "smoke", REGISTRY).with_full_ranking()
    table = build_table(wanted, run_store, REGISTRY)
    assert [[cell.value for cell in row.cells[1::2]] for row in table.rows] == [[0.5, 0.5], [None, None]]
    assert table.missing == ("bench reproduce small --scale smoke --full-ranking",)
    assert wanted.file_name == "small-smoke-full-ranking"
    in_file = scaled(experiment("a", "b"), "smoke", REGISTRY).with_full_ranking()
    assert in_file.file_name == "small-smoke"
    assert in_file.command(next(in_file.cells()).request) == "bench reproduce small --scale smoke"
