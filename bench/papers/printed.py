"""Read published results for comparison with ours; they are other people's runs on other candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import unknown_name
from bench.files.shipped import shipped_folder
from bench.papers.reader import read_published


def published_papers(folder: Path | None = None) -> list[str]:
    """Return the sorted names of the papers with stored tables."""
    return sorted(path.stem for path in (folder or shipped_folder("published")).glob("*.yaml"))


def published_tables(paper: str, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return a paper's tables by name, with ``caption`` and ``rows`` as printed; BenchError suggests similar names."""
    return dict(_paper(paper, folder)["tables"])


def published_figures(paper: str, folder: Path | None = None) -> dict[str, str]:
    """Return the descriptions of a paper's figures without numbers, by name."""
    return {name: figure["caption"] for name, figure in _paper(paper, folder).get("figures", {}).items()}


def published_title(paper: str, folder: Path | None = None) -> str:
    """Return a paper's short title, such as ``RecCocktail``."""
    return str(_paper(paper, folder)["source"]["title"])


def published_address(paper: str, folder: Path | None = None) -> str:
    """Return where a paper was published, such as ``arXiv 2502.08271``."""
    return str(_paper(paper, folder)["source"]["address"])


def is_in_percent(paper: str, folder: Path | None = None) -> bool:
    """Return whether a paper reports its metrics in percent."""
    return bool(_paper(paper, folder)["source"]["scale"] == "percent")


def other_data(paper: str, dataset: str, folder: Path | None = None) -> str:
    """Return how a paper's data differs from the public dataset of the same name; empty if it does not."""
    return str(_paper(paper, folder).get("other_data", {}).get(dataset, ""))


def published_sources(paper: str, table: str, dataset: str, folder: Path | None = None) -> tuple[str, ...]:
    """Return the sorted source domains used with a table's target; empty if not stated."""
    stated = _content_with_table(paper, table, folder)["tables"][table].get("sources", {})
    return tuple(sorted(stated.get(dataset, ())))


def published_language_model(paper: str, table: str, folder: Path | None = None) -> str:
    """Return the hub name of the backbone used in a table's language-model rows."""
    content = _content_with_table(paper, table, folder)
    return str(content["tables"][table].get("language_model", content["source"]["language_model"]))


@dataclass(frozen=True)
class PrintedCell:
    """The numbers of one row and one dataset in a published table."""

    row: str
    """The row's label in the paper."""
    column: str
    """The dataset or, in a table of training fractions, the method, as in the paper; empty if there is only one."""
    figures: dict[str, float]
    """Metrics by our names, as fractions; counts unchanged."""


def printed_cells(paper: str, table: str, folder: Path | None = None) -> list[PrintedCell]:
    """Return every cell of a table, row by row."""
    content = _content_with_table(paper, table, folder)
    scale = 100 if is_in_percent(paper, folder) else 1
    found = content["tables"][table]
    return [
        PrintedCell(row["method"], column, {name.casefold(): _fraction(name, value, scale) for name, value in cell})
        for row in found["rows"]
        for column, cell in _columns(row["values"], found.get("metric", ""))
    ]


def find_cell(
    paper: str,
    table: str,
    names: Sequence[str],
    dataset: str,
    setting: str = "warm",
    train_share: float = 1.0,
    folder: Path | None = None,
) -> PrintedCell | None:
    """Return the cell of a published table for a row and dataset; None if there is none.

    The row is the first of ``names`` that is found; each is our name of a method or the paper's. Tables of training
    fractions have one row per setting and fraction, and one column per method.
    """
    content = _content_with_table(paper, table, folder)
    found, cells = content["tables"][table], printed_cells(paper, table, folder)
    known = {_folded(row["method"]): row["method"] for row in found["rows"]}
    if any("sample" in row for row in found["rows"]):
        shares = {(_folded(row["scenario"]), row["sample"]): row["method"] for row in found["rows"]}
        row = shares.get((setting, f"{train_share:.0%}"))
        columns = [spelling for name in names for spelling in (_methods(content).get(name, name), name)]
    else:
        aliases = {**_datasets(content, found), **_methods(content)}  # tables of counts have one row per dataset
        printed = [spelling for name in names for spelling in (aliases.get(name, name), name)]
        row = next((known[_folded(name)] for name in printed if _folded(name) in known), None)
        columns = [_datasets(content, found).get(dataset, dataset), dataset]
        columns += [""] if columns[0] == found.get("dataset") else []
    wanted = [_folded(column) for column in columns]
    return next((cell for cell in cells if cell.row == row and _folded(cell.column) in wanted), None)


def _columns(values: dict[str, Any], metric: str) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yield each column of a row with its numbers, for datasets of metrics, datasets of one metric, or only metrics."""
    nested = {column: list(cell.items()) for column, cell in values.items() if isinstance(cell, dict)}
    numbers = [(name, value) for name, value in values.items() if isinstance(value, int | float)]
    yield from nested.items()
    if metric:
        yield from ((column, [(metric, value)]) for column, value in numbers)
    elif numbers:
        yield "", numbers


def _fraction(metric: str, value: float, scale: int) -> float:
    return value / scale if "@" in metric else float(value)


def _datasets(content: dict[str, Any], table: dict[str, Any]) -> dict[str, str]:
    """Return the paper's names of our datasets; a table's own names, if its columns are not plain datasets, win."""
    return {**content["datasets"], **table.get("dataset_names", {})}


def _methods(content: dict[str, Any]) -> dict[str, str]:
    return dict(content.get("methods", {}))


def _content_with_table(paper: str, table: str, folder: Path | None) -> dict[str, Any]:
    content = _paper(paper, folder)
    if table not in content["tables"]:
        raise unknown_name(f"table of {paper}", table, content["tables"], "bench list experiments")
    return content


def _paper(paper: str, folder: Path | None) -> dict[str, Any]:
    folder = folder or shipped_folder("published")
    if paper not in published_papers(folder):
        raise unknown_name("paper", paper, published_papers(folder), "bench list experiments")
    return read_published(folder / f"{paper}.yaml")


def _folded(name: str) -> str:
    return name.casefold()
