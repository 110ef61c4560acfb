from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.papers.audit import impossible_cells, is_possible, possible_range
from bench.papers.printed import published_tables
from bench.report.papers.impossible_cells import audits_of, render_audits

# (table, column, row, printed MRR@5, least, greatest): the cells of WeaveRec that an independent check found
KNOWN = {
    ("table1", "Sports", "GRU4Rec", 0.2776, 0.2571, 0.2727),
    ("table1", "Sports", "MCRPL", 0.3523, 0.3271, 0.3409),
    ("table1", "Sports", "VQ-Rec", 0.3550, 0.3343, 0.3493),
    ("table1", "Sports", "RecFormer", 0.3694, 0.3387, 0.3521),
    ("table1", "Sports", "LLM-REC", 0.4059, 0.3775, 0.3876),
    ("table1", "Beauty", "MCRPL", 0.3677, 0.3352, 0.3514),
    ("table1", "Beauty", "RecFormer", 0.3831, 0.3660, 0.3801),
    ("table1", "Beauty", "TALLRec", 0.3570, 0.2891, 0.2939),
    ("table1", "Beauty", "LLM-REC", 0.4329, 0.4167, 0.4264),
    ("table1", "Clothing", "FMLP-Rec", 0.3136, 0.2611, 0.2743),
    ("table1", "Clothing", "MCRPL", 0.3162, 0.2945, 0.3099),
    ("table1", "Clothing", "VQ-Rec", 0.3327, 0.3335, 0.3508),
    ("table1", "Clothing", "LLM-REC", 0.3854, 0.3753, 0.3844),
    ("table1", "Food", "GRU4Rec", 0.3041, 0.2858, 0.3028),
    ("table1", "Food", "FMLP-Rec", 0.4084, 0.3727, 0.3867),
    ("table1", "Food", "VQ-Rec", 0.3945, 0.3743, 0.3854),
    ("table1", "Food", "LLM-REC", 0.4217, 0.4106, 0.4211),
    ("table2", "Toys->MovieLens-1M", "SASRec", 0.3662, 0.3721, 0.3884),
    ("table2", "Toys->MovieLens-1M", "FMLP-Rec", 0.4458, 0.4081, 0.4300),
    ("table2", "Toys->MovieLens-1M", "MCRPL", 0.4016, 0.3775, 0.3921),
    ("table2", "Toys->MovieLens-1M", "VQ-Rec", 0.4334, 0.4361, 0.4537),
    ("table2", "MovieLens-1M->Toys", "FMLP-Rec", 0.3707, 0.3430, 0.3573),
    ("table2", "MovieLens-1M->Toys", "MCRPL", 0.3551, 0.3337, 0.3509),
    ("table2", "MovieLens-1M->Toys", "LLM-REC", 0.4255, 0.4010, 0.4149),
}
OWN_TABLE = """\
source: {title: Own, address: nowhere, scale: percent, language_model: none}
datasets: {beauty: Beauty}
tables:
  table1:
    caption: One good row and one bad one.
    rows:
      - {method: good, values: {Beauty: {"Hit@1": 10.0, "Hit@3": 20.0}}}
      - {method: bad, values: {Beauty: {"Hit@1": 10.0, "Hit@3": 9.0}}}
"""


def test_exactly_the_24_known_cells_are_found_with_the_range_that_the_others_leave() -> None:
    found = set()
    for cell in impossible_cells(published_tables("weaverec")):
        why = cell.contradiction()
        assert why is not None
        assert why.metric == "mrr@5"
        found.add((cell.table, cell.dataset, cell.method, why.value, round(why.low, 4), round(why.high, 4)))
    assert found == KNOWN


def test_a_range_is_as_wide_as_the_rankings_that_are_possible() -> None:
    """With NDCG@1 of .2 a fifth is on top, and NDCG@3 is least with nobody else in sight, greatest with all second."""
    low, high = possible_range("ndcg@3", {"ndcg@1": 0.2}, rounding=0.0) or (0.0, 0.0)
    assert low == pytest.approx(0.2)
    assert high == pytest.approx(0.2 + 0.8 * 0.630930, abs=1e-6)
    assert is_possible({"ndcg@1": 0.2, "ndcg@3": high}, rounding=1e-9)
    assert not is_possible({"ndcg@1": 0.2, "ndcg@3": high + 1e-6}, rounding=1e-9)


def test_metrics_that_contradict_each_other_leave_no_range() -> None:
    assert possible_range("mrr@5", {"hit@1": 0.5, "hit@3": 0.4}) is None


def test_a_table_is_audited_by_its_name_and_a_paper_without_such_cells_says_so() -> None:
    (audit,) = audits_of("weaverec-table2")
    assert {cell.table for cell in audit.cells} == {"table2"}
    assert len(audit.cells) == 7
    text = render_audits(audits_of("reccocktail-table1"), "text")
    assert text == "RecCocktail: none of 60 cells are inconsistent.\n"


def test_every_format_says_why() -> None:
    audits = audits_of("weaverec-table2")
    why = "MRR@5 is 0.3662, but NDCG@1 0.2754, NDCG@3 0.3743 and NDCG@5 0.4339 imply 0.3721 to 0.3884"
    whys = [line["why"] for line in json.loads(render_audits(audits, "json"))]
    assert [line["why"] for line in csv.DictReader(io.StringIO(render_audits(audits, "csv")))] == whys
    assert why in whys
    for output_format in ("text", "markdown", "latex"):
        assert whys[0] in render_audits(audits, output_format)
    assert "7 of 36 cells are inconsistent" in render_audits(audits, "text")
    with pytest.raises(BenchError, match="cannot be printed as 'html'"):
        render_audits(audits, "html")


def test_a_file_of_someones_own_can_be_audited(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN_TABLE)
    text = render_audits(audits_of(str(path)), "text")
    assert "Hit@3 is 9.00, but Hit@1 10.00 imply" in text
    assert "1 of 2 cells are inconsistent" in text


def test_an_unknown_name_brings_what_is_near() -> None:
    with pytest.raises(BenchError, match=r"Unknown published table 'weaverec-tabel1'\. Did you mean weaverec-table1"):
        audits_of("weaverec-tabel1")
