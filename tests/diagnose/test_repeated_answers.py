from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.diagnose.repeated_answers import AskedAgain, keep, kept
from bench.diagnose.stability import Stability
from bench.errors import BenchError
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
ORDERS = AskedAgain("candidate order", "ndcg@3", 50, Stability((0.5, 0.4), 0.25))
WORDS = AskedAgain("paraphrases", "ndcg@3", 50, Stability((0.5, 0.3, 0.6), None))


def test_what_is_kept_is_read_back_and_the_same_change_is_kept_once(run_store: RunStore, save_run: Save) -> None:
    record = save_run("bpr", [0, 1])
    assert kept(record, run_store) == ()
    for asked in (WORDS, ORDERS, replace(ORDERS, n_queries=20)):
        keep(record, asked, run_store)
    assert kept(record, run_store) == (replace(ORDERS, n_queries=20), WORDS)


def test_answers_of_a_run_that_was_made_again_are_not_its_own(run_store: RunStore, save_run: Save) -> None:
    keep(save_run("bpr", [0, 1]), ORDERS, run_store)
    again = save_run("bpr", [0, 1], created="2026-02-02T00:00:00+00:00")
    assert kept(again, run_store) == ()
    keep(again, WORDS, run_store)
    assert kept(again, run_store) == (WORDS,)


@pytest.mark.parametrize("text", ["", "[]", '{"asked": []}', '{"of": "NOW", "asked": [{"over": "moons"}]}'])
def test_a_damaged_file_is_named(run_store: RunStore, save_run: Save, text: str) -> None:
    record = save_run("bpr", [0, 1])
    path = run_store.path(record.id) / "stability.json"
    path.write_text(text.replace("NOW", record.created), encoding="utf-8")
    with pytest.raises(BenchError, match=r"stability\.json cannot be read .* Remove it and run 'bench diagnose"):
        kept(record, run_store)
