"""``bench list``: methods, datasets and experiments."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import shorten
from typing import Any

import click

from bench.cli.options import data_dir_option, json_option

LONGEST_CAPTION = 90
"""Characters of a caption shown in text output; JSON contains the whole caption."""
KINDS = ("methods", "datasets", "experiments")
EXAMPLES = """\b
Examples:
  bench list methods
  bench list datasets --json
"""


@click.command(name="list", epilog=EXAMPLES)
@click.argument("kind", type=click.Choice(KINDS))
@data_dir_option
@json_option
def list_(kind: str, data_dir: Path | None, as_json: bool) -> None:
    """List methods, datasets or experiments.

    Datasets include your own, from the data directory and from 'bench data import'.

    A method whose packages are not installed is listed with the command that installs them, and a plugin that cannot be
    loaded with the reason.
    """
    from tabulate import tabulate

    rows = {"methods": _methods, "datasets": lambda: _datasets(data_dir), "experiments": _experiments}[kind]()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if kind == "methods":
        from bench.plugin.entry import displayed_family

        rows = [{**row, "family": displayed_family(row["family"])} for row in rows]
    if kind == "experiments":
        rows = [{**row, "caption": shorten(row["caption"], LONGEST_CAPTION, placeholder=" …")} for row in rows]
    if kind == "methods" and not any(row["install"] for row in rows):
        rows = [{key: value for key, value in row.items() if key != "install"} for row in rows]
    click.echo(tabulate(rows, headers="keys", tablefmt="plain"))


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
