"""``bench list``: methods, datasets, experiments and stored runs."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import shorten
from typing import Any

import click

from bench.cli.list_runs import runs
from bench.cli.options import NearGroup, data_dir_option, json_option

LONGEST_CAPTION = 90
"""Characters of a caption shown in text output; JSON contains the whole caption."""
EXAMPLES = """\b
Examples:
  bench list methods
  bench list runs --dataset beauty --sort ndcg@3
"""
METHODS_EXAMPLES = """\b
Examples:
  bench list methods
  bench list methods --json
"""
DATASETS_EXAMPLES = """\b
Examples:
  bench list datasets
  bench list datasets --json
"""
EXPERIMENTS_EXAMPLES = """\b
Examples:
  bench list experiments
  bench list experiments --json
"""


@click.group(name="list", epilog=EXAMPLES, cls=NearGroup)
def list_() -> None:
    """List methods, datasets, experiments or stored runs."""


@list_.command(epilog=METHODS_EXAMPLES)
@json_option
def methods(as_json: bool) -> None:
    """List methods.

    A method whose packages are not installed is listed with the command that installs them, and a plugin that cannot be
    loaded with the reason.
    """
    rows = _methods()
    if not as_json:
        from bench.plugin.entry import displayed_family

        rows = [{**row, "family": displayed_family(row["family"])} for row in rows]
        if not any(row["install"] for row in rows):
            rows = [{key: value for key, value in row.items() if key != "install"} for row in rows]
    _show(rows, as_json)


@list_.command(epilog=DATASETS_EXAMPLES)
@data_dir_option
@json_option
def datasets(data_dir: Path | None, as_json: bool) -> None:
    """List datasets, with your own from the data directory and from 'bench data import'."""
    _show(_datasets(data_dir), as_json)


@list_.command(epilog=EXPERIMENTS_EXAMPLES)
@json_option
def experiments(as_json: bool) -> None:
    """List experiments, and the table or figure that each reproduces."""
    rows = _experiments()
    if not as_json:
        rows = [{**row, "caption": shorten(row["caption"], LONGEST_CAPTION, placeholder=" …")} for row in rows]
    _show(rows, as_json)


list_.add_command(runs)


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    from tabulate import tabulate

    click.echo(json.dumps(rows, indent=2) if as_json else tabulate(rows, headers="keys", tablefmt="plain"))


def _methods() -> list[dict[str, Any]]:
    from bench.files.extras import install_command
    from bench.registry import registry

    known = registry()
    rows = [
        {
            "name": f"{entry.name}:<Class>" if entry.wraps else entry.name,
            "family": entry.family,
            "settings": " ".join(entry.settings),
            "paper": entry.paper,
            "install": install_command(*entry.needed_extras),
        }
        for entry in sorted(known.entries.values(), key=lambda entry: (entry.family, entry.name))
    ]
    broken = [
        {"name": name, "family": "cannot be loaded", "settings": "", "paper": reason, "install": ""}
        for name, reason in known.broken.items()
    ]
    return rows + broken


def _datasets(data_dir: Path | None) -> list[dict[str, Any]]:
    from bench.data.card import list_cards
    from bench.data.own_data import described, own_datasets

    cards = [{"name": card.name, "family": card.format, "description": card.description} for card in list_cards()]
    own = own_datasets(data_dir).items()
    return cards + [
        {"name": name, "family": "own data", "description": described(name, folder)} for name, folder in own
    ]


def _experiments() -> list[dict[str, Any]]:
    from bench.experiments.reader import experiment_names, load_experiment
    from bench.papers.printed import published_title

    found = [load_experiment(name) for name in experiment_names()]
    return [
        {
            "name": item.name,
            "family": "experiment",
            "reproduces": "; ".join(f"{published_title(one.paper)} {one.title}" for one in item.reproduces),
            "figure": "yes" if item.figure else "",
            "caption": item.caption,
        }
        for item in found
    ]
