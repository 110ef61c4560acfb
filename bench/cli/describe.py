"""``bench describe``: a method's hyperparameters or a dataset's card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.cli.completion import complete_described
from bench.cli.options import data_dir_option, json_option
from bench.errors import BenchError, unknown_name

EXAMPLES = """\b
Examples:
  bench describe reccocktail
  bench describe beauty --json
"""


LABELS = {
    "target": "class",
    "runs_on": "language model",
    "writes_lists": "generates lists",
    "cold_rule": "cold-item rule",
    "wraps": "takes a class name",
    "privileged": "sees the answers",
    "ranks_catalogue": "ranks the full catalogue",
    "needs_titles": "uses titles",
    "needs_sources": "uses source datasets",
    "one_a_day": "one interaction per user and day",
    "order_as_days": "order used as days",
}
"""Displayed names of fields whose names are not self-explanatory."""


@click.command(epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_described)
@data_dir_option
@json_option
def describe(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Show a method's hyperparameters (with defaults and meaning) or a dataset's card, also of your own data."""
    facts = _facts(name, data_dir)
    click.echo(json.dumps(facts, indent=2) if as_json else _text(facts))


def _facts(name: str, data_dir: Path | None) -> dict[str, Any]:
    import dataclasses

    from bench.data.card import has_card, load_card, own_data_card
    from bench.data.own_data import dataset_names, own_datasets
    from bench.files.extras import install_command
    from bench.registry import registry

    if has_card(name):
        return {"kind": "dataset", **dataclasses.asdict(load_card(name))}
    own = own_datasets(data_dir)
    if name in own:
        return {"kind": "dataset", **dataclasses.asdict(own_data_card(name, own[name])), "folder": str(own[name])}
    known = registry()
    if name in known.entries and known.entries[name].wraps:
        return {"kind": "method", **dataclasses.asdict(known.entries[name])}
    try:
        entry = known.entry(name)
    except BenchError:
        if name in known.broken:
            raise
        everything = [*known.entries, *dataset_names(data_dir)]
        raise unknown_name("method or dataset", name, everything, "bench list methods") from None
    facts = {"kind": "method", **dataclasses.asdict(entry), "name": name}
    command = install_command(*entry.needed_extras)
    if command:
        facts["install"] = command
    try:
        recommender = known.recommender(name)
    except BenchError:
        if command:  # the parameters cannot be shown, but the other facts can
            return facts
        raise
    meaning = next(iter((recommender.__doc__ or "").strip().splitlines()), "")
    return {**facts, "meaning": meaning, "parameters": _parameters(recommender.Params)}


def _parameters(params_class: Any) -> list[dict[str, Any]]:
    import dataclasses

    from bench.runs.params import allowed_values, field_docstrings

    meanings, allowed = field_docstrings(params_class), allowed_values(params_class)
    return [
        {
            "name": item.name,
            "default": item.default,
            "type": str(item.type),
            "range": allowed[item.name],
            "meaning": meanings.get(item.name, item.metadata.get("help", "")),
        }
        for item in dataclasses.fields(params_class)
    ]


def _text(facts: dict[str, Any]) -> str:
    from tabulate import tabulate

    from bench.plugin.entry import displayed_family

    parameters = facts.pop("parameters", None)
    if "family" in facts:
        facts["family"] = displayed_family(facts["family"])
    rows = [(_label(key), _plain(value)) for key, value in facts.items() if value not in ("", None, False, (), [], {})]
    text = tabulate(rows, tablefmt="plain", disable_numparse=True)
    if not parameters:
        return text
    ranges = ("range",) if any(item["range"] for item in parameters) else ()
    columns = [[item[key] for key in ("name", "default", *ranges, "meaning")] for item in parameters]
    return f"{text}\n\nParameters (-p name=value)\n" + tabulate(columns, tablefmt="plain", disable_numparse=True)


def _label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " "))


def _plain(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, list | tuple):
        return "; ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items() if item)
    return str(value)
