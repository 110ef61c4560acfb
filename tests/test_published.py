from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.published import published_papers, published_source, published_tables, published_value
from bench.shipped import shipped_folder


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
        (("reccocktail", "table2", "TALLRec", "Toys", "NDCG@1"), 0.1624),
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
def test_a_cell_is_found_by_our_names_or_the_printed_ones(cell: tuple[str, ...], expected: float) -> None:
    assert published_value(*cell) == pytest.approx(expected)


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
def test_a_cell_that_is_not_printed_is_none(cell: tuple[str, ...]) -> None:
    assert published_value(*cell) is None


def test_unknown_papers_and_tables_name_near_ones() -> None:
    with pytest.raises(BenchError, match=r"Unknown paper 'weverec'\. Did you mean weaverec\?"):
        published_tables("weverec")
    with pytest.raises(BenchError, match=r"Unknown table of xcross 'table9'"):
        published_value("xcross", "table9", "xcross", "toys-2018", "hit@1")


def test_each_paper_says_where_its_figures_come_from() -> None:
    assert [published_source(paper) for paper in published_papers()] == [
        "RecCocktail (arXiv 2502.08271)",
        "WeaveRec (arXiv 2510.26546)",
        "X-Cross (SIGIR '25)",
    ]


@pytest.mark.parametrize("kind", ["experiments", "published"])
def test_shipped_files_are_found(kind: str) -> None:
    assert list(shipped_folder(kind).glob("*.yaml"))  # type: ignore[arg-type]
