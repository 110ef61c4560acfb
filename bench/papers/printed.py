"""Figures that papers printed, read to be put beside ours; they are other people's runs on other candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError, unknown_name
from bench.files.shipped import shipped_folder


def published_papers(folder: Path | None = None) -> list[str]:
    """Return the names of the papers whose tables are kept, sorted."""
    return sorted(path.stem for path in (folder or shipped_folder("published")).glob("*.yaml"))


def published_tables(paper: str, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return a paper's tables by name, each with ``caption`` and ``rows`` as printed; BenchError names near papers."""
    return dict(_paper(paper, folder)["tables"])


def published_figures(paper: str, folder: Path | None = None) -> dict[str, str]:
    """Return a paper's figures that print no numbers, by name, each with what it shows."""
    return {name: figure["caption"] for name, figure in _paper(paper, folder).get("figures", {}).items()}


def published_title(paper: str, folder: Path | None = None) -> str:
    """Return a paper's short title, as ``RecCocktail``."""
    return str(_paper(paper, folder)["source"]["title"])


def is_in_percent(paper: str, folder: Path | None = None) -> bool:
    """Whether a paper prints its metrics in percent."""
    return bool(_paper(paper, folder)["source"]["scale"] == "percent")


def other_data(paper: str, dataset: str, folder: Path | None = None) -> str:
    """Return in what a paper's data differ from the public data set of one name; empty where they are the same."""
    return str(_paper(paper, folder).get("other_data", {}).get(dataset, ""))


def published_sources(paper: str, table: str, dataset: str, folder: Path | None = None) -> tuple[str, ...]:
    """Return the source domains that a table's target was learned with, sorted; empty where they are not stated."""
    stated = _content_with_table(paper, table, folder)["tables"][table].get("sources", {})
    return tuple(sorted(stated.get(dataset, ())))


def published_source(paper: str, folder: Path | None = None) -> str:
    """Return where a paper's figures come from, as ``RecCocktail (arXiv 2502.08271)``."""
    source = _paper(paper, folder)["source"]
    return f"{source['title']} ({source['address']})"


def published_language_model(paper: str, table: str, folder: Path | None = None) -> str:
    """Return the backbone behind a table's language-model rows, by its hub name."""
    content = _content_with_table(paper, table, folder)
    return str(content["tables"][table].get("language_model", content["source"]["language_model"]))


@dataclass(frozen=True)
class PrintedCell:
    """All that a table prints in one row for one dataset."""

    row: str
    """The row, as printed."""
    column: str
    """The dataset or, in a table of training shares, the method, as printed; empty where the table has only one."""
    figures: dict[str, float]
    """Metrics by our names, as fractions; counts as they are."""


def printed_cells(paper: str, table: str, folder: Path | None = None) -> list[PrintedCell]:
    """Return every cell of a table, row by row."""
    content = _content_with_table(paper, table, folder)
    scale = 100 if content["source"]["scale"] == "percent" else 1
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
    """Return the cell that a table prints for a row and dataset; None where it prints none.

    The row goes by the first of ``names`` that is found, each of them our name of a method or a printed one; tables
    of training shares have a row for each setting and share, and a column a method.
    """
    content = _content_with_table(paper, table, folder)
    found, cells = content["tables"][table], printed_cells(paper, table, folder)
    known = {_folded(row["method"]): row["method"] for row in found["rows"]}
    if any("sample" in row for row in found["rows"]):
        shares = {(_folded(row["scenario"]), row["sample"]): row["method"] for row in found["rows"]}
        row = shares.get((setting, f"{train_share:.0%}"))
        columns = [spelling for name in names for spelling in (_methods(content).get(name, name), name)]
    else:
        aliases = {**_datasets(content, found), **_methods(content)}  # tables of counts have a row a dataset
        printed = [spelling for name in names for spelling in (aliases.get(name, name), name)]
        row = next((known[_folded(name)] for name in printed if _folded(name) in known), None)
        columns = [_datasets(content, found).get(dataset, dataset), dataset]
        columns += [""] if columns[0] == found.get("dataset") else []
    wanted = [_folded(column) for column in columns]
    return next((cell for cell in cells if cell.row == row and _folded(cell.column) in wanted), None)


def _columns(values: dict[str, Any], metric: str) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yield each column of a row with its figures: datasets of metrics, datasets of one metric, or metrics alone."""
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
    """Return what a table calls our datasets; its own names, where its columns are no plain datasets, come first."""
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
    return _read(folder / f"{paper}.yaml")


@cache
def _read(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not {"source", "datasets", "tables"} <= set(content):
        raise BenchError(f"{path} is no file of published tables: expected 'source', 'datasets' and 'tables'.")
    return content


def _folded(name: str) -> str:
    return name.casefold()
