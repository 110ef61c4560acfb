from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.metrics import Metric, chance
from bench.registry import registry
from bench.report.page.build import build_page
from bench.report.page.content import Board, Page
from bench.report.tables.build import stored_table
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
NO_DATA = "The data were not at hand."


def built(store: RunStore) -> Page:
    return build_page(store, registry(), lambda _record: NO_DATA)


def board(page: Page, title: str) -> Board:
    return next(board for board in page.boards if board.title == title)


def test_a_board_prints_what_the_table_prints(page: Page, stored: RunStore) -> None:
    table = stored_table("beauty", "warm", page.metrics, stored, registry())
    rows = board(page, "Beauty, warm").rows
    assert [row.label for row in rows] == [row.label for row in table.rows]
    for row, printed in zip(rows, table.rows, strict=True):
        assert row.run_ids == printed.cells[0].run_ids
        for figure, cell in zip(row.figures, printed.cells, strict=True):
            assert figure is not None
            assert [figure.value, figure.low, figure.high] == pytest.approx([cell.value, cell.low, cell.high], abs=1e-6)
            assert (figure.mark in ("best", "starred")) == cell.best


def test_rows_carry_marks_and_cost(page: Page) -> None:
    rows = {row.label: row for row in board(page, "Beauty, warm").rows}
    toy = next(row for row in rows.values() if row.toy)
    assert toy.transductive
    assert all(figure is not None and not figure.mark for figure in toy.figures)
    cost = rows["sasrec"].cost
    assert (cost.training_seconds, cost.users_per_second, cost.trained_parameters) == (8.0, 80.0, 1000.0)
    assert cost.peak_memory_bytes == 300 << 20
    assert rows["bpr"].cost.trained_parameters is None


def test_runs_of_other_candidates_or_samples_get_a_board_of_their_own(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1])
    save_run("random", [5, 5])
    save_run("sasrec", [0, 1], candidates_hash="other")
    save_run("popularity", [0], limit_queries=1)
    found = {
        (one.candidates_hash, one.limit_queries): [row.label for row in one.rows] for one in built(run_store).boards
    }
    assert found == {
        ("hash-beauty-warm", None): ["bpr", "random"],
        ("other", None): ["sasrec"],
        ("hash-beauty-warm", 1): ["popularity"],
    }
    assert len({one.id for one in built(run_store).boards}) == 3


def test_full_ranking_has_boards_of_its_own_even_under_one_hash(run_store: RunStore, save_run: Save) -> None:
    for method, listed, full in (("bpr", [0, 1], [0, 90]), ("random", [5, 5], [70, 400])):
        save_run(method, listed)
        save_run(method, full, catalogue={"n_items": 500.0})
    page = built(run_store)
    listed, full = page.boards  # in this order
    assert (listed.title, full.title) == ("Beauty, warm", "Beauty, warm, full catalogue")
    assert (listed.n_candidates, full.n_candidates) == (30, 500)
    assert listed.id != full.id
    hit_at_10 = page.metrics.index("hit@10")
    assert [one.figures[hit_at_10] and one.figures[hit_at_10].value for one in listed.rows] == [1.0, 1.0]
    assert [one.figures[hit_at_10] and one.figures[hit_at_10].value for one in full.rows] == [0.5, 0.0]
    assert full.chance[hit_at_10] == pytest.approx(10 / 500)
    assert len(page.runs) == 4
    assert {one.board for one in page.runs if "full catalogue" in one.variant} == {full.id}
    assert any("29 sampled negatives" in limit for limit in page.limits)
    assert any("full catalogue" in limit and "are not comparable" in limit for limit in page.limits)


def test_a_page_without_full_ranking_says_nothing_of_it(page: Page) -> None:
    assert not any("Boards titled 'full catalogue'" in limit for limit in page.limits)


def test_a_policy_parts_cold_runs_alone(run_store: RunStore, save_run: Save) -> None:
    for setting in ("warm", "cold"):
        save_run("bpr", [0, 1], setting=setting, policy="holdout")
        save_run("random", [5, 5], setting=setting, policy="natural")
    labels = {one.title: [row.label for row in one.rows] for one in built(run_store).boards}
    assert labels == {"Beauty, warm": ["bpr", "random"], "Beauty, cold": ["bpr"], "Beauty, cold (natural)": ["random"]}


def test_seeds_share_a_row_with_their_spread(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 9], seed=0)
    save_run("bpr", [0, 0], seed=1)
    (only,) = built(run_store).boards
    (row,) = only.rows
    assert len(row.run_ids) == 2
    assert row.figures[0] is not None
    assert (row.figures[0].value, row.figures[0].sd) == (0.75, pytest.approx(0.353553, abs=1e-6))


def test_every_run_is_on_the_page_of_its_method(page: Page) -> None:
    by_method = {method.name: method.run_ids for method in page.methods}
    assert {run.id for run in page.runs} == {run_id for ids in by_method.values() for run_id in ids}
    assert len(by_method["reccocktail"]) == 2
    families = [method.family for method in page.methods]
    assert families == sorted(families, key=page.families.index)
    facts = next(method for method in page.methods if method.name == "reccocktail")
    assert facts.needs == ("titles", "source datasets", "a language model")


def test_a_method_that_is_not_installed_keeps_its_page(run_store: RunStore, save_run: Save) -> None:
    save_run("someone-elses", [0])
    (method,) = built(run_store).methods
    assert (method.name, method.title, method.paper, method.needs) == ("someone-elses", "someone-elses", "", ())


def test_chance_limits_and_environments_are_said(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1], versions={"torch": "2"}, git={"commit": "abc", "dirty": True})
    save_run("random", [0, 1], versions={"torch": "1"})
    page = built(run_store)
    assert page.boards[0].chance == pytest.approx([chance(Metric.parse(name)) for name in page.metrics], abs=1e-6)
    assert any("29 sampled negatives" in limit for limit in page.limits)
    assert [one.commits for one in page.environments if one.versions["torch"] == "2"] == [
        ("abc with uncommitted changes",)
    ]
    assert sum(one.n_runs for one in page.environments) == 2
    assert page.boards[0].users.missing == NO_DATA


def test_an_empty_store_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"No runs are stored in .*'bench run --method popularity"):
        built(RunStore(tmp_path))


def test_the_same_store_gives_the_same_page(stored: RunStore) -> None:
    assert built(stored) == built(stored)


def test_methods_and_datasets_are_shown_as_papers_write_them(page: Page) -> None:
    rows = {row.method: row for row in board(page, "Beauty, warm").rows}
    assert (rows["reccocktail"].name, rows["sasrec"].name) == ("RecCocktail", "SASRec")
    assert {row.variant for row in board(page, "Beauty, warm").rows if row.method == "sasrec"} == {""}
    facts = next(method for method in page.methods if method.name == "sasrec")
    assert (facts.title, facts.link) == ("SASRec", "https://arxiv.org/abs/1808.09781")


def test_the_best_row_of_a_method_is_one_that_is_ranked(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 0], overrides={"layers": 9}, toy=True)
    save_run("bpr", [1, 1])
    save_run("bpr", [9, 9], overrides={"layers": 3})
    (only,) = built(run_store).boards
    assert [(row.variant, row.toy) for row in only.rows if row.best] == [("defaults", False)]


def test_a_run_states_its_command_results_and_commit(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 1], overrides={"layers": 3}, git={"commit": "abc", "dirty": False}, seed=4)
    (run,) = built(run_store).runs
    assert run.command == "bench run --method bpr --dataset beauty --setting warm --seed 4 -p layers=3"
    assert run.metrics[0] is not None
    assert run.metrics[0][0] == 0.5
    assert run.metrics[-1] is None  # the record of this test does not state it
    assert run.commit == "abc"


def test_queries_are_shown_if_the_data_is_available(page: Page, stored: RunStore) -> None:
    assert all(one.queries for one in page.boards)
    assert not any(one.queries for one in built(stored).boards)
    assert built(stored).titles == ()
