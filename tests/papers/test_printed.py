from __future__ import annotations

from typing import Any

import pytest

from bench.errors import BenchError
from bench.files.shipped import shipped_folder
from bench.papers.printed import (
    find_cell,
    is_in_percent,
    other_data,
    printed_cells,
    published_figures,
    published_language_model,
    published_papers,
    published_sources,
    published_tables,
)


def test_three_papers_with_fourteen_tables_and_132_rows_are_kept() -> None:
    tables = [table for paper in published_papers() for table in published_tables(paper).values()]
    assert published_papers() == ["reccocktail", "weaverec", "xcross"]
    assert len(tables) == 14
    assert sum(len(table["rows"]) for table in tables) == 132


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (("reccocktail", "table1", "bpr", "beauty", "ndcg@1"), 0.1630),
        (("reccocktail", "table2", "reccocktail", "ml-1m", "ndcg@3"), 0.2755),
        (("reccocktail", "table2", "TALLRec", "Toys", "ndcg@1"), 0.1624),
        (("weaverec", "table1", "weaverec", "grocery", "mrr@5"), 0.4452),
        (("weaverec", "table2", "weaverec", "ml-1m", "ndcg@1"), 0.4854),
        (("weaverec", "table2", "target-only", "toys", "mrr@5"), 0.4350),
        (("weaverec", "table3", "WeaveRec", "beauty", "ndcg@1"), 0.4180),
        (("weaverec", "table4", "w/ AdaMerging", "beauty", "mrr@5"), 0.4347),
        (("xcross", "table2", "xcross", "toys-2018", "hit@10"), 0.8566),
        (("xcross", "table4", "xcross-no-experts", "tools-2018", "mrr@10"), 0.3368),
        (("weaverec", "table5", "Clothing", "", "users"), 39387.0),
    ],
)
def test_a_figure_is_found_by_our_names_or_the_printed_ones(cell: tuple[str, ...], expected: float) -> None:
    paper, table, method, dataset, metric = cell
    found = find_cell(paper, table, [method], dataset)
    assert found is not None
    assert found.figures[metric] == pytest.approx(expected)


@pytest.mark.parametrize(
    "cell",
    [
        ("reccocktail", "table1", "text-knn", "beauty", "ndcg@1"),
        ("reccocktail", "table1", "bpr", "clothing", "ndcg@1"),
        ("reccocktail", "table1", "bpr", "beauty", "mrr@5"),
        ("weaverec", "table3", "WeaveRec", "beauty", "ndcg@3"),
        ("weaverec", "table4", "w/ AdaMerging", "sports", "mrr@5"),
    ],
)
def test_a_figure_that_is_not_printed_is_not_found(cell: tuple[str, ...]) -> None:
    paper, table, method, dataset, metric = cell
    found = find_cell(paper, table, [method], dataset)
    assert found is None or metric not in found.figures


def test_unknown_papers_and_tables_name_near_ones() -> None:
    with pytest.raises(BenchError, match=r"Unknown paper 'weverec'\. Did you mean weaverec\?"):
        published_tables("weverec")
    with pytest.raises(BenchError, match=r"Unknown table of xcross 'table9'"):
        printed_cells("xcross", "table9")


@pytest.mark.parametrize("kind", ["experiments", "published"])
def test_shipped_files_are_found(kind: str) -> None:
    assert list(shipped_folder(kind).glob("*.yaml"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("reccocktail", "table1", ("BPR", "bpr"), "beauty"), ("BPR-MF", "Beauty", 0.1630)),
        (("weaverec", "table3", ("Hybrid LoRA 2", "weaverec"), "beauty"), ("Hybrid LoRA 2", "Beauty", 0.4072)),
        (("weaverec", "table4", ("w/ LoRA-LEGO", "weaverec"), "beauty"), ("w/ LoRA-LEGO", "", 0.3493)),
        (("reccocktail", "table3", ("tallrec",), "ml-1m", "warm", 0.2), ("Warm 20%", "TallRec", 0.4298)),
        (("reccocktail", "table3", ("second-finetune",), "ml-1m", "cold", 0.2), ("Cold 20%", "2nd Finetune", 0.0182)),
    ],
)
def test_a_rows_cell_goes_by_its_label_first_and_by_its_method_then(
    place: tuple[Any, ...], expected: tuple[str, str, float]
) -> None:
    cell = find_cell(*place)
    assert cell is not None
    assert (cell.row, cell.column, cell.figures["ndcg@1"]) == expected


@pytest.mark.parametrize(
    "place",
    [
        ("weaverec", "table4", ("w/ DARE", "dare"), "beauty"),
        ("weaverec", "table4", ("w/ AdaMerging", "adamerging"), "toys"),
        ("reccocktail", "table3", ("tallrec",), "ml-1m", "warm", 1.0),
        ("reccocktail", "table3", ("sasrec",), "ml-1m", "warm", 0.1),
        ("reccocktail", "table1", ("bpr",), "clothing"),
    ],
)
def test_a_row_that_is_not_printed_has_no_cell(place: tuple[Any, ...]) -> None:
    assert find_cell(*place) is None


def test_every_printed_cell_can_be_listed() -> None:
    assert len(printed_cells("weaverec", "table1")) + len(printed_cells("weaverec", "table2")) == 108
    xcross = next(cell for cell in printed_cells("xcross", "table2") if (cell.row, cell.column) == ("SASRec", "Tools"))
    assert xcross.figures["hit@1"] == pytest.approx(0.0638)


def test_a_table_may_have_a_backbone_and_sources_of_its_own() -> None:
    assert published_language_model("reccocktail", "table1") == "Qwen/Qwen2-7B-Instruct"
    assert published_language_model("reccocktail", "table5") == "meta-llama/Llama-3.1-8B"
    assert published_sources("weaverec", "table1", "beauty") == ("clothing", "grocery", "sports")
    assert published_sources("reccocktail", "table1", "beauty") == ()


def test_papers_say_their_figures_their_unit_and_where_their_data_differ() -> None:
    assert set(published_figures("weaverec")) == {"figure2", "figure3", "figure7", "figure8", "figure10"}
    assert [paper for paper in published_papers() if is_in_percent(paper)] == ["xcross"]
    assert "6,883" in other_data("weaverec", "ml-1m")
    assert other_data("weaverec", "beauty") == ""
