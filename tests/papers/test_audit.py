from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics import Metric
from bench.papers.audit import impossible_cells, is_possible
from bench.papers.printed import published_tables

PRINTED_METRICS = ("ndcg@1", "ndcg@3", "ndcg@5", "mrr@5")


def test_24_cells_of_weaverec_and_none_of_the_other_papers_are_impossible() -> None:
    impossible = list(impossible_cells(published_tables("weaverec")))
    assert len(impossible) == 24
    assert {cell.table for cell in impossible} == {"table1", "table2"}
    systems = {"GRU4Rec", "SASRec", "FMLP-Rec", "MCRPL", "VQ-Rec", "RecFormer", "TALLRec", "LLM-REC"}
    assert {cell.method for cell in impossible} == systems
    assert not list(impossible_cells(published_tables("reccocktail")))
    assert not list(impossible_cells(published_tables("xcross"), percent=True))


@pytest.mark.parametrize(("mrr", "possible"), [(0.2890, False), (0.2892, True), (0.2938, True), (0.2941, False)])
def test_the_interval_that_ndcg_leaves_to_mrr_is_found(mrr: float, possible: bool) -> None:
    row = next(row for row in published_tables("weaverec")["table1"]["rows"] if row["method"] == "TALLRec")
    printed = {metric.lower(): value for metric, value in row["values"]["Beauty"].items()}
    assert not is_possible(printed)
    assert is_possible({**printed, "mrr@5": mrr}) == possible


@given(st.lists(st.integers(0, 29), min_size=1, max_size=200))
def test_what_a_ranking_gave_is_always_possible(better: list[int]) -> None:
    gains = {name: Metric.parse(name).gains(30) for name in PRINTED_METRICS}
    assert is_possible({name: round(float(gain[np.array(better)].mean()), 4) for name, gain in gains.items()})
