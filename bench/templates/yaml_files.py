"""Create a dataset card or an experiment file that works as written, for users to change."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from bench.data.card import OWN_CARD, cards_folder, has_card
from bench.data.names import check_name
from bench.data.own_data import own_datasets
from bench.data.prepare import card_of
from bench.errors import BenchError
from bench.experiments.complete import complete_experiment
from bench.experiments.reader import experiment_names, read_experiment
from bench.files.folders import require_user_data_dir
from bench.files.store import require_new, write_text
from bench.registry import registry

TEMPLATES = Path(__file__).parent
NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
PLAIN = re.compile(r"[A-Za-z][\w-]*")
"""Texts that need no quotes in YAML."""


def write_dataset_card(name: str, directory: Path | None, data_dir: Path | None) -> Path:
    """Write a dataset card and return its path.

    Args:
        name: Name of the new dataset.
        directory: Data directory in which the dataset gets a directory with its card. By default, the card goes to
            ``datasets/`` of the source checkout that bench runs from, or else to the user's own data directory.
        data_dir: Directory with one subdirectory of source data per dataset, whose names are taken, or None.

    Raises:
        BenchError: the name is invalid or taken, or there is a card.
    """
    check_name(name)
    if has_card(name) or name in own_datasets(data_dir):
        raise BenchError(f"Dataset '{name}' already exists: choose another name. See 'bench describe {name}'.")
    path = _card_path(name, directory)
    require_new(path)
    write_text(path, _filled("dataset", {"name": name}))
    return path


def write_experiment(
    name: str,
    datasets: Sequence[str],
    methods: Sequence[str],
    sources: Sequence[str],
    folder: Path,
    data_dir: Path | None,
) -> Path:
    """Write an experiment file ``<folder>/<name>.yaml`` and return its path.

    Args:
        name: Name of the table.
        datasets: Its columns.
        methods: Its rows.
        sources: Source datasets of methods that transfer, instead of those on the datasets' cards.
        folder: Directory of the file.
        data_dir: Directory with one subdirectory of source data per dataset, or None.

    Raises:
        BenchError: the name is invalid or taken, a dataset or method is unknown, or a method cannot run on a dataset.
    """
    if not NAME.fullmatch(name):
        raise BenchError(f"'{name}' is not a valid name of an experiment: use lower-case words joined by '-' or '_'.")
    if name in experiment_names():
        raise BenchError(f"Experiment '{name}' already exists: choose another name. See 'bench list experiments'.")
    path = folder / f"{name}.yaml"
    require_new(path)
    for dataset in (*datasets, *sources):
        card_of(dataset, data_dir)
    for method in methods:
        registry().entry(method)
    text = _experiment(name, datasets, methods, sources, path)
    _check(name, text)
    write_text(path, text)
    return path


def _card_path(name: str, directory: Path | None) -> Path:
    if directory is not None:
        return directory / name / OWN_CARD
    is_checkout = (cards_folder().parent / "bench").is_dir() and cards_folder().name == "datasets"
    return cards_folder() / f"{name}.yaml" if is_checkout else require_user_data_dir() / name / OWN_CARD


def _experiment(name: str, datasets: Sequence[str], methods: Sequence[str], sources: Sequence[str], path: Path) -> str:
    source_list = f", sources: [{', '.join(sources)}]" if sources else ""
    columns = [f"  {dataset}: {{title: {_quoted(dataset)}{source_list}}}" for dataset in datasets]
    rows = [
        f"  - {{method: {_quoted(method)}, label: {_quoted(label)}}}"
        for method, label in zip(methods, _labels(methods), strict=True)
    ]
    values = {"name": name, "path": str(path), "datasets": " and ".join(datasets)}
    return _filled("experiment", {**values, "columns": "\n".join(columns), "rows": "\n".join(rows)})


def _labels(methods: Sequence[str]) -> list[str]:
    """Return the methods' titles; the names of those that share theirs, as labels tell rows apart."""
    titles = [registry().entry(method).displayed_name(method) for method in methods]
    return [title if titles.count(title) == 1 else method for method, title in zip(methods, titles, strict=True)]


def _check(name: str, text: str) -> None:
    """Raise BenchError if the experiment cannot be read, or one of its runs is impossible."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        complete_experiment(read_experiment(path))


def _quoted(text: str) -> str:
    return text if PLAIN.fullmatch(text) else json.dumps(text)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return Template((TEMPLATES / f"{template}.yaml.txt").read_text(encoding="utf-8")).substitute(values)
