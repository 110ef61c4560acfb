"""Figures that papers printed, read to be put beside ours; they are other people's runs on other candidates."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError, unknown_name
from bench.shipped import shipped_folder


def published_papers(folder: Path | None = None) -> list[str]:
    """Return the names of the papers whose tables are kept, sorted."""
    return sorted(path.stem for path in (folder or shipped_folder("published")).glob("*.yaml"))


def published_tables(paper: str, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return a paper's tables by name, each with ``caption`` and ``rows`` as printed; BenchError names near papers."""
    return dict(_paper(paper, folder)["tables"])


def published_source(paper: str, folder: Path | None = None) -> str:
    """Return where a paper's figures come from, as ``RecCocktail (arXiv 2502.08271)``."""
    source = _paper(paper, folder)["source"]
    return f"{source['title']} ({source['address']})"


def published_language_model(paper: str, folder: Path | None = None) -> str:
    """Return the backbone behind a paper's language-model rows, by its hub name."""
    return str(_paper(paper, folder)["source"]["language_model"])


def published_cell(paper: str, table: str, method: str, dataset: str, folder: Path | None = None) -> dict[str, float]:
    """Return all metrics that a table prints for a method and dataset, by our names and as fractions."""
    content = _content_with_table(paper, table, folder)
    values = _lookup(
        {row["method"]: row["values"] for row in content["tables"][table]["rows"]}, method, _methods(content)
    )
    cell = _lookup(values, dataset, _datasets(content, content["tables"][table]))
    names = [name.casefold() for name in cell] if isinstance(cell, dict) else []
    figures = {name: published_value(paper, table, method, dataset, name, folder) for name in names}
    return {name: value for name, value in figures.items() if value is not None}


def published_value(
    paper: str, table: str, method: str, dataset: str, metric: str, folder: Path | None = None
) -> float | None:
    """Return one printed figure, metrics as fractions; None where the table has no such cell.

    Methods, datasets and metrics go by our names (``bpr``, ``ml-1m``, ``ndcg@1``) or as printed; tables of counts
    have one row a dataset, which stands for the method. BenchError where the paper or the table is not known.
    """
    content = _content_with_table(paper, table, folder)
    cell = _cell(content, content["tables"][table], method, dataset, metric)
    if cell is None:
        return None
    return cell / 100 if "@" in metric and content["source"]["scale"] == "percent" else cell


def _cell(content: dict[str, Any], table: dict[str, Any], method: str, dataset: str, metric: str) -> float | None:
    """Find a figure in a table of datasets x metrics, or in one that states its only dataset or metric."""
    rows = {row["method"]: row["values"] for row in table["rows"]}
    values = _lookup(rows, method, _methods(content))
    datasets = _datasets(content, table)
    cell = _lookup(values, dataset, datasets)
    if isinstance(cell, dict):
        cell = _lookup(cell, metric, {})
    elif cell is not None:
        cell = _lookup({table.get("metric", ""): cell}, metric, {})
    elif _lookup({table.get("dataset", dataset): True}, dataset, datasets):
        cell = _lookup(values, metric, {})
    return float(cell) if isinstance(cell, int | float) else None


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


def _lookup(values: Any, name: str, printed: dict[str, str]) -> Any:
    """Return the value under our name or the printed one, upper and lower case folded; None where there is none."""
    if not isinstance(values, dict):
        return None
    folded = {_folded(key): value for key, value in values.items()}
    found = folded.get(_folded(printed.get(name, name)))
    return folded.get(_folded(name)) if found is None else found


def _folded(name: str) -> str:
    return name.casefold()
