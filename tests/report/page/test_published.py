from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.registry import registry
from bench.report.page.published import published_tables_of
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


def test_a_score_of_several_experiments_is_listed_once(run_store: RunStore, save_run: Save) -> None:
    record = save_run("bpr", [0, 0, 9])
    tables, refused = published_tables_of([record], run_store, registry())
    cells = [cell for table in tables for cell in table.cells]
    assert len(set(cells)) == len(cells) > 0
    first = next(table for table in tables if (table.paper, table.table) == ("RecCocktail", "table1"))
    assert first.link == "https://arxiv.org/abs/2502.08271"
    assert "baselines-warm" in first.experiments
    found = next(cell for cell in first.cells if cell.metric == "ndcg@1")
    assert (found.row, found.dataset, found.verdict) == ("BPR-MF", "Beauty", "at or above")
    assert (found.ours, found.printed, found.difference) == pytest.approx((0.666667, 0.163, 0.503667), abs=1e-6)
    assert first.verdicts == {"at or above": 2}
    assert refused == ()


def test_a_cell_that_is_not_comparable_says_why(run_store: RunStore, save_run: Save) -> None:
    tables, _ = published_tables_of([save_run("bpr", [0], setting="cold")], run_store, registry())
    cells = [cell for table in tables for cell in table.cells]
    assert {cell.verdict for cell in cells} == {"not comparable"}
    assert all(cell.reason for cell in cells)


def test_runs_that_cannot_be_compared_are_named(run_store: RunStore, save_run: Save) -> None:
    records = [save_run("bpr", [0]), save_run("sasrec", [0], candidates_hash="other")]
    tables, refused = published_tables_of(records, run_store, registry())
    assert any(reason.startswith("baselines-warm: ") and "cannot be compared" in reason for reason in refused)
    assert "baselines-warm" not in {name for table in tables for name in table.experiments}


def test_runs_without_a_published_counterpart_give_no_table(run_store: RunStore, save_run: Save) -> None:
    assert published_tables_of([save_run("oracle", [0])], run_store, registry()) == ((), ())
