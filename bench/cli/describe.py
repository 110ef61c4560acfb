"""``bench describe``: a method's hyperparameters or a dataset's card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from bench.cli.options import json_option
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
@click.argument("name")
@json_option
def describe(name: str, as_json: bool) -> None:
    """Show a method's hyperparameters (with defaults and meaning) or a dataset's card."""
    facts = _facts(name)
    click.echo(json.dumps(facts, indent=2) if as_json else _text(facts))


def _facts(name: str) -> dict[str, Any]:
    import dataclasses

    from bench.data.card import has_card, list_cards, load_card
    from bench.files.extras import install_command
    from bench.registry import registry

    if has_card(name):
        return {"kind": "dataset", **dataclasses.asdict(load_card(name))}
    known = registry()
    if name in known.entries and known.entries[name].wraps:
        return {"kind": "method", **dataclasses.asdict(known.entries[name])}
    try:
        entry = known.entry(name)
    except BenchError:
        if name in known.broken:
            raise
        everything = [*known.entries, *(card.name for card in list_cards())]
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
    recipes = {name: dict(recipe) for name, recipe in recommender.recipes.items()}
    return {**facts, "meaning": meaning, "recipes": recipes, "parameters": _parameters(recommender.Params)}


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
    facts["recipes"] = [f"{name}: {_assignments(recipe)}" for name, recipe in facts.get("recipes", {}).items()]
    if "family" in facts:
        facts["family"] = displayed_family(facts["family"])
    rows = [(_label(key), _plain(value)) for key, value in facts.items() if value not in ("", None, False, (), [], {})]
    text = tabulate(rows, tablefmt="plain", disable_numparse=True)
    if not parameters:
        return text
    ranges = ("range",) if any(item["range"] for item in parameters) else ()
    columns = [[item[key] for key in ("name", "default", *ranges, "meaning")] for item in parameters]
    return f"{text}\n\nParameters (-p name=value)\n" + tabulate(columns, tablefmt="plain", disable_numparse=True)


def _assignments(recipe: Mapping[str, Any]) -> str:
    """Return a recipe's parameters as they are given on the command line."""
    return " ".join(f"{name}={value}" for name, value in recipe.items()) or "the defaults"


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
